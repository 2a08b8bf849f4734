"""Who held which office when: dated roles, looked up for whole arrays of mentions."""

from datetime import date

import numpy as np
import polars as pl

from pipeline.tag.arrays import Csr, Ints, csr

NO_DATE = -(10**6)  # a text without a date: an office stays an office
_EPOCH = date(1970, 1, 1).toordinal()


def day_number(text: str | None, default: int) -> int:
    """Days since 1970 of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; `default` for an empty cell."""
    if not text:
        return default
    year, month, day = (*[int(part) for part in text.split("-")], 1, 1)[:3]
    return date(year, month, day).toordinal() - _EPOCH


class Offices:
    """role.csv by role and by person."""

    def __init__(self, roles: pl.DataFrame, actor_country: dict[str, str]) -> None:
        roles = roles.sort("role_id", "from")
        self.role_ids = sorted(set(roles["role_id"]))
        number = {role_id: i for i, role_id in enumerate(self.role_ids)}
        self.role_number = number
        self.person_ids = sorted(set(roles["person_id"]))
        person_number = {person_id: i for i, person_id in enumerate(self.person_ids)}
        self.person_number = person_number
        self.since = np.array([day_number(d, NO_DATE + 1) for d in roles["from"]], np.int64)
        self.until = np.array([day_number(d, 10**6) for d in roles["until"]], np.int64)
        self.person = np.array([person_number[p] for p in roles["person_id"]], np.int64)
        self.country = [actor_country.get(holder, holder if len(holder) == 2 else "") for holder in roles["holder"]]
        rows = range(len(roles))
        self.by_role: Csr = csr([(number[r], i) for i, r in zip(rows, roles["role_id"], strict=True)], len(number))
        self.by_person: Csr = csr([(int(self.person[i]), i) for i in rows], len(person_number))

    def in_office(self, table: Csr, keys: Ints, days: Ints) -> Ints:
        """For each (role or person, day) the row of the term that runs on that day; -1 where none does.

        Of several offices of a person the latest begun; of several holders of one office (ambassadors, members) none.
        """
        which, term = table.expand(keys)
        running = (self.since[term] <= days[which]) & (days[which] < self.until[term]) & (days[which] != NO_DATE)
        which, term = which[running], term[running]
        order = np.lexsort((self.since[term], which))
        out = np.full(len(keys), -1, np.int64)
        out[which[order]] = term[order]  # the last one written is the latest begun
        if table is self.by_role:
            out[np.bincount(which, minlength=len(keys)) > 1] = -1
        return out
