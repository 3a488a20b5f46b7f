-- For SQLite and PostgreSQL, by what both have. A day is its number since 1970; day 0 is never.
CREATE TABLE users (
    id    TEXT PRIMARY KEY,
    name  TEXT NOT NULL,
    style TEXT NOT NULL
);

CREATE TABLE snapshots (
    id       BIGINT PRIMARY KEY,
    user_id  TEXT NOT NULL REFERENCES users (id),
    day      BIGINT NOT NULL,
    autonomy DOUBLE PRECISION NOT NULL,
    skill    DOUBLE PRECISION NOT NULL,
    reliance DOUBLE PRECISION NOT NULL
);

CREATE TABLE goals (
    id       TEXT PRIMARY KEY,
    user_id  TEXT NOT NULL REFERENCES users (id),
    title    TEXT NOT NULL,
    status   TEXT NOT NULL,
    progress DOUBLE PRECISION NOT NULL
);

CREATE TABLE tasks (
    id      TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    goal_id TEXT NOT NULL REFERENCES goals (id),
    title   TEXT NOT NULL,
    status  TEXT NOT NULL,
    made    BIGINT NOT NULL,
    done    BIGINT NOT NULL
);

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100)
INSERT INTO users
SELECT 'user' || n, 'User ' || n, CASE n % 3 WHEN 0 THEN 'visual' WHEN 1 THEN 'reading' ELSE 'doing' END
FROM number;

-- Few users have most of the rows: `place` is the lesser, the more often it comes.
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100000)
INSERT INTO snapshots
SELECT n, 'user' || (1 + (n * 7919 % 101) * (n * 10007 % 103) / 103), 19358 + n / 274,
       (n * 31 % 101) / 100.0, (n * 37 % 101) / 100.0, (n * 41 % 101) / 100.0
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000)
INSERT INTO goals
SELECT 'goal' || n, 'user' || (1 + (n * 7919 % 101) * (n * 10007 % 103) / 103), 'Goal no. ' || n,
       CASE WHEN n % 5 < 3 THEN 'active' ELSE 'completed' END, CASE WHEN n % 5 < 3 THEN (n % 10) / 10.0 ELSE 1.0 END
FROM number;

-- Sixty of each goal, done in the order in which they were made, but for the last ones.
WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 59999)
INSERT INTO tasks
SELECT 'task' || (n + 1), goals.user_id, goals.id, 'Task no. ' || (n + 1),
       CASE WHEN n < 51000 THEN 'done' WHEN n % 3 = 0 THEN 'running' ELSE 'pending' END, 19358 + n / 165, CASE WHEN n < 51000 THEN 19358 + n / 165 + n % 9 ELSE 0 END
FROM number JOIN goals ON goals.id = 'goal' || (1 + n % 1000);

CREATE INDEX snapshots_of_user ON snapshots (user_id, day);
CREATE INDEX goals_of_user ON goals (user_id, status);
CREATE INDEX tasks_of_user ON tasks (user_id, status);
CREATE INDEX tasks_of_goal ON tasks (goal_id);
