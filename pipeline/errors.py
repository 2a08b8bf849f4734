"""Errors that a user can mend: each is one plain sentence, shown without a traceback."""


class BalkanwatchError(Exception):
    """Base of every expected failure; `str(error)` is the sentence to show."""


class SettingsError(BalkanwatchError):
    """A setting is missing, unknown or out of range."""


class SeedError(BalkanwatchError):
    """A seed file breaks its contract; the message names file and line."""


class WarehouseError(BalkanwatchError):
    """The warehouse can not be opened, is newer than this program, or is in use."""


class BusyError(WarehouseError):
    """Somebody else is writing to the warehouse."""


class MissingError(WarehouseError):
    """There is no warehouse at that place yet."""


class InputError(BalkanwatchError):
    """A file or an argument given by the user can not be used."""
