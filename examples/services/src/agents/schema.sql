-- For SQLite and PostgreSQL, by what both have: ids and times are text, the rows are counted by a recursive query.
CREATE TABLE agents (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    role        TEXT NOT NULL,
    status      TEXT NOT NULL,
    provider    TEXT NOT NULL,
    temperature DOUBLE PRECISION NOT NULL,
    created     TEXT NOT NULL
);

CREATE TABLE channels (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    topic    TEXT NOT NULL,
    status   TEXT NOT NULL,
    created  TEXT NOT NULL
);

CREATE TABLE messages (
    channel_id TEXT NOT NULL REFERENCES channels (id),
    text       TEXT NOT NULL
);

CREATE INDEX messages_of_channel ON messages (channel_id);

CREATE TABLE workflows (
    id     BIGINT PRIMARY KEY,
    name   TEXT NOT NULL,
    status TEXT NOT NULL
);

CREATE TABLE steps (
    id          BIGINT PRIMARY KEY,
    workflow_id BIGINT NOT NULL REFERENCES workflows (id),
    status      TEXT NOT NULL
);

CREATE INDEX steps_of_workflow ON steps (workflow_id);

-- Five that come with the service, and those that users have made.
INSERT INTO agents VALUES
    ('a0000000-0000-4000-8000-000000000001', '@orchestrator', 'plans', 'active', 'anthropic', 0.2, '2025-01-01T08:00:00Z'),
    ('a0000000-0000-4000-8000-000000000002', '@backend', 'writes services', 'active', 'anthropic', 0.1, '2025-01-01T08:00:00Z'),
    ('a0000000-0000-4000-8000-000000000003', '@frontend', 'writes pages', 'active', 'anthropic', 0.3, '2025-01-01T08:00:00Z'),
    ('a0000000-0000-4000-8000-000000000004', '@qa', 'finds faults', 'active', 'openai', 0.0, '2025-01-01T08:00:00Z'),
    ('a0000000-0000-4000-8000-000000000005', '@devops', 'keeps it running', 'active', 'openai', 0.1, '2025-01-01T08:00:00Z');

WITH RECURSIVE number (n) AS (SELECT 6 UNION ALL SELECT n + 1 FROM number WHERE n < 205)
INSERT INTO agents
SELECT 'a0000000-0000-4000-8000-' || substr(CAST(1000000000000 + n AS TEXT), 2), '@helper-' || n, 'helps with ' || (n % 17),
       CASE n % 3 WHEN 0 THEN 'inactive' ELSE 'active' END, CASE n % 2 WHEN 0 THEN 'openai' ELSE 'anthropic' END, (n % 10) / 10.0, '2025-0' || (1 + n % 9) || '-1' || (n % 10) || 'T12:30:00Z'
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 400)
INSERT INTO channels
SELECT 'c0000000-0000-4000-8000-' || substr(CAST(1000000000000 + n AS TEXT), 2), 'project-' || n, 'what is new in ' || (n % 23),
       CASE n % 5 WHEN 0 THEN 'archived' ELSE 'open' END, '2025-0' || (1 + n % 9) || '-2' || (n % 8) || 'T09:15:00Z'
FROM number;

-- Few channels have most of the messages.
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 60000)
INSERT INTO messages
SELECT 'c0000000-0000-4000-8000-' || substr(CAST(1000000000001 + ((n % 400) * (n % 401)) / 401 AS TEXT), 2), 'message ' || n
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 3000)
INSERT INTO workflows
SELECT n, 'workflow ' || n, CASE n % 4 WHEN 0 THEN 'running' WHEN 1 THEN 'pending' ELSE 'completed' END
FROM number;

WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 24000)
INSERT INTO steps
SELECT n, 1 + n % 3000, CASE n % 3 WHEN 0 THEN 'waiting' ELSE 'done' END
FROM number;
