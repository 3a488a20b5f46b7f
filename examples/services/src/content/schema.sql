-- For SQLite and PostgreSQL, by what both have: ids of tasks and days are text, the rows are counted by a recursive query.
CREATE TABLE users (
    id       BIGINT PRIMARY KEY,
    name     TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE
);

CREATE TABLE sessions (
    id      TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    expires TEXT NOT NULL
);

CREATE TABLE tasks (
    id       TEXT PRIMARY KEY,
    title    TEXT NOT NULL,
    topic    TEXT NOT NULL,
    status   TEXT NOT NULL,
    priority BIGINT NOT NULL
);

CREATE TABLE runs (
    task_id      TEXT NOT NULL REFERENCES tasks (id),
    day          TEXT NOT NULL,
    milliseconds BIGINT NOT NULL,
    cents        BIGINT NOT NULL,
    failed       BIGINT NOT NULL
);

CREATE INDEX runs_of_task ON runs (task_id);

CREATE TABLE articles (
    id     BIGINT PRIMARY KEY,
    topic  TEXT NOT NULL,
    title  TEXT NOT NULL,
    author TEXT NOT NULL,
    text   TEXT NOT NULL
);

CREATE TABLE reads (
    reader_id  BIGINT NOT NULL,
    article_id BIGINT NOT NULL REFERENCES articles (id)
);

CREATE INDEX reads_of_article ON reads (article_id);
CREATE INDEX reads_of_reader ON reads (reader_id);

-- Their keys are `example-key-of-ada` and `example-key-of-alan`, to try it.
INSERT INTO users VALUES
    (1, 'ada', 'e41673707537230ad36e396a40becf32d4e58d7be3595423f32dcbf33ba1be49'),
    (2, 'alan', '0a491e2d249e88dcd091a4d2b573dae1ab2042bc9896d6c760d9074ea2025d5a');

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10000)
INSERT INTO tasks
SELECT 'd0000000-0000-4000-8000-' || substr(CAST(1000000000000 + n AS TEXT), 2), 'write about subject ' || (n % 613), 'topic-' || (n % 40),
       CASE n % 20 WHEN 0 THEN 'pending' WHEN 1 THEN 'failed' ELSE 'done' END, n % 4
FROM number;

WITH RECURSIVE number (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM number WHERE n < 100000)
INSERT INTO runs
SELECT 'd0000000-0000-4000-8000-' || substr(CAST(1000000000001 + (n * 7919) % 10000 AS TEXT), 2), '2025-0' || (1 + n % 9) || '-1' || ((n / 9) % 10),
       50 + (n * 31) % 2003, (n * 17) % 41, CASE n % 11 WHEN 0 THEN 1 ELSE 0 END
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 5000)
INSERT INTO articles
SELECT n, 'topic-' || (n % 40), 'What is known of subject ' || n, CASE n % 3 WHEN 0 THEN 'ada' ELSE 'alan' END,
       '# Subject ' || n || replace('BBBBBB', 'B', '

' || replace('S S S S', 'S', 'Of subject ' || n || ' it is often said that more is known than written, & that what is written is seldom read twice.'))
FROM number;

-- Few articles have most of the readers.
WITH RECURSIVE number (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM number WHERE n < 100000)
INSERT INTO reads
SELECT n % 2999, 1 + (((n * 7919) % 5000) * ((n * 104729) % 4999)) / 5000
FROM number;
