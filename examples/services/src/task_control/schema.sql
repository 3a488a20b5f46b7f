-- For SQLite and PostgreSQL, by what both have: ids are text, the rows are counted by a recursive query.
CREATE TABLE tasks (
    id         TEXT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    name       TEXT NOT NULL,
    status     TEXT NOT NULL,
    priority   BIGINT NOT NULL
);

CREATE INDEX tasks_of_project ON tasks (project_id);

-- What became of a task, by whom, in order.
CREATE TABLE changes (
    task_id TEXT NOT NULL REFERENCES tasks (id),
    number  BIGINT NOT NULL,
    author  TEXT NOT NULL,
    status  TEXT NOT NULL,
    PRIMARY KEY (task_id, number)
);

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 40000)
INSERT INTO tasks
SELECT '7a000000-0000-4000-8000-' || substr(CAST(1000000000000 + n AS TEXT), 2), 1 + n % 40, 'task ' || n,
       CASE n % 7 WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'failed' ELSE 'done' END, n % 5
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100000)
INSERT INTO changes
SELECT '7a000000-0000-4000-8000-' || substr(CAST(1000000000001 + (n - 1) % 40000 AS TEXT), 2), 1 + (n - 1) / 40000, 'author-' || (n % 31),
       CASE n % 3 WHEN 0 THEN 'pending' ELSE 'running' END
FROM number;
