-- The quickstart's database: 6,000 tasks in 40 workspaces, and what people said about them.
BEGIN;

CREATE TABLE tasks (
    id           INTEGER PRIMARY KEY,
    workspace_id INTEGER NOT NULL,
    title        TEXT NOT NULL,
    status       TEXT NOT NULL
);

CREATE TABLE comments (
    id      INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES tasks,
    text    TEXT NOT NULL
);

CREATE INDEX comments_of_task ON comments (task_id);

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 6000)
INSERT INTO tasks
SELECT n, 1 + (n - 1) % 40, 'Task ' || n, CASE n % 3 WHEN 0 THEN 'done' ELSE 'open' END
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 30000)
INSERT INTO comments (task_id, text)
SELECT 1 + (n * n) % 5987, 'Comment ' || n
FROM number;

COMMIT;
