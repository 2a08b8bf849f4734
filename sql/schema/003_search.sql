-- The full-text index: words in both scripts and without diacritics, appended a batch at a time.

create table search_document (
    doc_no uinteger,
    article_id text,
    version integer,
    n_terms integer
);
comment on table search_document is 'One row per article that full-text search finds, as its current version stands. An article that changes gets a new number. Key: doc_no.';
comment on column search_document.doc_no is 'Number of the text in the index; never used again';
comment on column search_document.article_id is 'The article';
comment on column search_document.version is 'The version that was indexed';
comment on column search_document.n_terms is 'Words in title and body';

create table search_posting (
    segment_no integer,
    term text,
    postings uinteger[]
);
comment on table search_posting is 'One row per word and segment: in which texts the word stands. Key: segment_no, term.';
comment on column search_posting.segment_no is 'The segment';
comment on column search_posting.term is 'The word: lower case, no diacritics, Latin letters, at most 40';
comment on column search_posting.postings is 'Sorted; each is doc_no * 16 + weight, the weight being 4 for each time in the title and 1 for each in the body, up to 15';

create table search_segment (
    segment_no integer,
    first_doc uinteger,
    last_doc uinteger,
    n_docs integer
);
comment on table search_segment is 'One row per part of the full-text index that was written in one go; small ones are merged. Key: segment_no.';
comment on column search_segment.segment_no is 'Number of the segment';
comment on column search_segment.first_doc is 'Its first doc_no';
comment on column search_segment.last_doc is 'Its last doc_no';
comment on column search_segment.n_docs is 'Texts in it when it was written';

-- a new warehouse is indexed from its first batch on; one of the first release is when it is next published
insert into meta
select
    'search_version' as key,
    '1' as value
where not exists (select 1 from article);
