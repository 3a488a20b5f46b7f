-- For SQLite and PostgreSQL, by what both have. A day is its number since 1970.
CREATE TABLE workspaces (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    plan TEXT NOT NULL
);

CREATE TABLE agents (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name         TEXT NOT NULL
);

CREATE INDEX agents_of_workspace ON agents (workspace_id);

CREATE TABLE users (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    name         TEXT NOT NULL,
    email        TEXT NOT NULL
);

CREATE INDEX users_of_workspace ON users (workspace_id);

CREATE TABLE runs (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    agent_id     TEXT NOT NULL REFERENCES agents (id),
    user_id      TEXT NOT NULL REFERENCES users (id),
    day          BIGINT NOT NULL,
    status       TEXT NOT NULL,
    duration_ms  BIGINT NOT NULL,
    credits      BIGINT NOT NULL,
    summary      TEXT NOT NULL
);

CREATE TABLE activity (
    user_id TEXT NOT NULL REFERENCES users (id),
    day     BIGINT NOT NULL,
    kind    TEXT NOT NULL
);

CREATE TABLE credits (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    day          BIGINT NOT NULL,
    amount       BIGINT NOT NULL,
    reason       TEXT NOT NULL
);

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20)
INSERT INTO workspaces
SELECT 'ws' || n, 'Workspace ' || n, CASE WHEN n <= 5 THEN 'enterprise' WHEN n % 3 = 0 THEN 'free' ELSE 'team' END
FROM number;

WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 299)
INSERT INTO agents
SELECT 'agent' || (n + 1), 'ws' || (1 + n / 15), CASE n % 3 WHEN 0 THEN 'Writer ' WHEN 1 THEN 'Clerk ' ELSE 'Analyst ' END || (1 + n % 15)
FROM number;

WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 999)
INSERT INTO users
SELECT 'user' || (n + 1), 'ws' || (1 + n / 50), 'User ' || (n + 1), 'user' || (n + 1) || '@example.com'
FROM number;

-- 60 days from 2024-01-01 on. Few workspaces have most of the runs: `place` is the lesser, the more often it comes.
WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 99999),
    placed (n, place) AS (SELECT n, ((n * 7919 % 21) * (n * 10007 % 41)) / 41 FROM number)
INSERT INTO runs
SELECT 'ws' || (1 + place), 'agent' || (1 + place * 15 + n * 31 % 15), 'user' || (1 + place * 50 + n * 37 % 50), 19723 + n / 1667,
       CASE WHEN n % 13 = 0 THEN 'failed' ELSE 'completed' END, 200 + n * 7919 % 9001, 1 + n % 5,
       CASE n % 7 WHEN 0 THEN 'sorts invoices' WHEN 1 THEN 'drafts a reply' WHEN 2 THEN 'sums up a meeting' WHEN 3 THEN 'translates a contract'
                  WHEN 4 THEN 'plans a sprint' WHEN 5 THEN 'checks an order' ELSE 'writes tests' END || ' no. ' || n
FROM placed;

WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 59999)
INSERT INTO activity
SELECT 'user' || (1 + n * 7919 % 1000 * (n * 10007 % 1009) / 1009), 19723 + n / 1000,
       CASE n % 4 WHEN 0 THEN 'sign in' WHEN 1 THEN 'view' WHEN 2 THEN 'export' ELSE 'edit' END
FROM number;

WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 19999)
INSERT INTO credits
SELECT 'ws' || (1 + n % 20), 19723 + n / 334, CASE WHEN n % 200 < 40 THEN 5000 ELSE -(1 + n % 900) END, CASE WHEN n % 200 < 40 THEN 'purchase' ELSE 'runs' END
FROM number;

CREATE INDEX runs_of_workspace ON runs (workspace_id, day);
CREATE INDEX runs_of_agent ON runs (agent_id, day);
CREATE INDEX activity_of_user ON activity (user_id, day);
CREATE INDEX activity_by_day ON activity (day);
CREATE INDEX credits_of_workspace ON credits (workspace_id, day);
