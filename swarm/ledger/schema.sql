-- The ledger of a swarm: one SQLite file, written by the coordinator only. Times are seconds since 1970.
-- Scores are as the training printed them. Read it with any SQLite tool: sqlite3 -readonly results.db

CREATE TABLE campaigns (            -- one search on one task, with its end
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, task TEXT NOT NULL /* JSON */, stop TEXT NOT NULL /* JSON */,
  state TEXT NOT NULL CHECK (state IN ('baseline','searching','ending','ended')),
  paused INTEGER NOT NULL DEFAULT 0, metric TEXT NOT NULL, better TEXT NOT NULL CHECK (better IN ('lower','higher')),
  best TEXT, baseline TEXT, why_ended TEXT, created REAL NOT NULL, searching REAL, ended REAL
);
CREATE TABLE classes (              -- hardware classes: only scores of one class are compared
  id INTEGER PRIMARY KEY, accelerator TEXT NOT NULL, torch TEXT NOT NULL, budget TEXT NOT NULL,
  UNIQUE (accelerator, torch, budget)
);
CREATE TABLE slots (                -- GPUs or CPU cores as leases; agent NULL: the pool
  id TEXT NOT NULL, campaign INTEGER NOT NULL REFERENCES campaigns(id), klass INTEGER NOT NULL REFERENCES classes(id),
  devices TEXT NOT NULL, agent TEXT, state TEXT NOT NULL DEFAULT 'open', free_since REAL,
  PRIMARY KEY (campaign, id)
);
CREATE TABLE programs (hash TEXT PRIMARY KEY, text TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE agents (
  name TEXT NOT NULL, campaign INTEGER NOT NULL REFERENCES campaigns(id), kind TEXT NOT NULL,
  options TEXT NOT NULL DEFAULT '{}', state TEXT NOT NULL, base TEXT NOT NULL, tip TEXT NOT NULL,
  seen INTEGER NOT NULL DEFAULT 0, program TEXT, program_hash TEXT, restarts INTEGER NOT NULL DEFAULT 0,
  until REAL, turns INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL, ended REAL,
  PRIMARY KEY (campaign, name)
);
CREATE TABLE experiments (          -- one change and its one parent; the verdict never changes
  id TEXT PRIMARY KEY, campaign INTEGER NOT NULL REFERENCES campaigns(id), agent TEXT,
  origin TEXT NOT NULL CHECK (origin IN ('baseline','submit','stack','try','promote','imported','wave','blank')),
  kind TEXT NOT NULL CHECK (kind IN ('const','code')), description TEXT NOT NULL, hypothesis TEXT, expect REAL,
  stage TEXT NOT NULL CHECK (stage IN ('queued','bound','done')),
  base TEXT, submitted TEXT, exact INTEGER NOT NULL DEFAULT 0,
  parent TEXT REFERENCES experiments(id), "commit" TEXT, tree TEXT, patch TEXT, lines INTEGER NOT NULL DEFAULT 0,
  same_as TEXT, stack_of TEXT, rebase_onto TEXT, depth INTEGER NOT NULL DEFAULT 0, program_hash TEXT, key TEXT,
  klass INTEGER REFERENCES classes(id),
  verdict TEXT CHECK (verdict IN ('keep','discard','crash','conflict','answered','cancelled')), reason TEXT,
  p_better REAL, parent_m REAL, parent_v REAL,            -- frozen with the verdict
  runs INTEGER NOT NULL DEFAULT 0, raw REAL, estimate REAL, stderr REAL,   -- renewed with every run
  steps INTEGER, params_m REAL, peak_vram_mb REAL, tokens_s REAL,
  dropped INTEGER NOT NULL DEFAULT 0, measured_by TEXT NOT NULL DEFAULT 'self-reported',
  bound INTEGER, created REAL NOT NULL, bound_at REAL, judged_at REAL,
  expect_p REAL                                           -- how likely its author thought it to be better
);
CREATE INDEX experiments_by_estimate ON experiments(campaign, estimate) WHERE estimate IS NOT NULL;
CREATE INDEX experiments_by_agent ON experiments(campaign, agent, stage);
CREATE INDEX experiments_by_parent ON experiments(parent);
CREATE INDEX experiments_by_tree ON experiments(campaign, tree);
CREATE INDEX experiments_by_stage ON experiments(campaign, stage) WHERE stage != 'done';
CREATE INDEX experiments_by_verdict ON experiments(campaign, verdict, agent, estimate, p_better);
CREATE INDEX experiments_kept ON experiments(campaign, estimate) WHERE verdict = 'keep' AND dropped = 0;
CREATE INDEX experiments_by_bound ON experiments(bound);
CREATE INDEX experiments_by_commit ON experiments("commit");
CREATE TABLE runs (                 -- one measurement of an experiment
  id INTEGER PRIMARY KEY, experiment TEXT NOT NULL REFERENCES experiments(id),
  purpose TEXT NOT NULL CHECK (purpose IN ('baseline','screen','confirm','reference','person')),
  seed INTEGER NOT NULL, slot TEXT, klass INTEGER REFERENCES classes(id), key TEXT,
  status TEXT NOT NULL CHECK (status IN ('queued','running','finished','crashed','cancelled')),
  attempt INTEGER NOT NULL DEFAULT 0,
  score REAL, steps INTEGER, params_m REAL, peak_vram_mb REAL, tokens_m REAL, mfu REAL, kernel TEXT,
  training_s REAL, seconds REAL, reason TEXT, queued REAL NOT NULL, started REAL, ended REAL
);
CREATE INDEX runs_by_experiment ON runs(experiment);
CREATE INDEX runs_open ON runs(status) WHERE status IN ('queued','running');
CREATE INDEX runs_over ON runs(purpose, queued) WHERE status IN ('finished','crashed');
CREATE INDEX runs_again ON runs(experiment) WHERE purpose != 'screen';
CREATE TABLE attempts (             -- each try of a run; lost: by the machine, tried again
  run INTEGER NOT NULL REFERENCES runs(id), n INTEGER NOT NULL, slot TEXT NOT NULL, boot_id TEXT NOT NULL,
  started REAL NOT NULL, ended REAL, outcome TEXT CHECK (outcome IN ('finished','crashed','lost','cancelled')), why TEXT,
  PRIMARY KEY (run, n)
);
CREATE INDEX attempts_by_slot ON attempts(slot);
CREATE TABLE promotions (           -- the history of best
  id INTEGER PRIMARY KEY, campaign INTEGER NOT NULL, experiment TEXT NOT NULL, previous TEXT,
  by TEXT NOT NULL CHECK (by IN ('confirmation','person','undo','withdrawal')),
  p REAL, hold INTEGER NOT NULL DEFAULT 0, at REAL NOT NULL, withdrawn REAL
);
CREATE TABLE events (               -- what happened, in order
  seq INTEGER PRIMARY KEY AUTOINCREMENT, campaign INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
  agent TEXT, experiment TEXT, data TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX events_by_agent ON events(agent, seq);
CREATE INDEX events_by_kind ON events(campaign, kind, seq);
CREATE TABLE notes (                -- what somebody found out, in their words; agent NULL: a person
  id INTEGER PRIMARY KEY, campaign INTEGER NOT NULL REFERENCES campaigns(id), agent TEXT, text TEXT NOT NULL, at REAL NOT NULL
);
-- every word of experiments and notes, for recall; kept by the triggers below
-- rowid: twice an experiment's number, or twice a note's id and one
CREATE VIRTUAL TABLE words USING fts5 (description, hypothesis, patch, why, note, tokenize = 'porter unicode61');
CREATE TABLE refs (name TEXT PRIMARY KEY, "commit" TEXT NOT NULL);   -- the hub's refs are a copy of these
CREATE TABLE costs (
  id INTEGER PRIMARY KEY, campaign INTEGER NOT NULL, agent TEXT NOT NULL, experiment TEXT,
  tokens INTEGER, usd REAL, at REAL NOT NULL
);
-- who was moved onto which best, and what the re-measurement said
CREATE VIEW rebases AS
SELECT v.seq, v.at, v.agent, v.experiment AS best, json_extract(v.data, '$.was') AS was,
       json_extract(v.data, '$.stack') AS stack,
       CASE WHEN json_extract(v.data, '$.stack') IS NULL THEN 'fast-forward'
            WHEN e.verdict IS NULL THEN 'measuring'
            WHEN e.verdict IN ('keep', 'answered') THEN 'replayed' ELSE 'fallen back' END AS outcome,
       e.verdict, e.raw, e.p_better
FROM events v LEFT JOIN experiments e ON e.id = json_extract(v.data, '$.stack')
WHERE v.kind = 'rebased';
-- what is once said is never changed, and nothing recorded is deleted
CREATE TRIGGER verdict_is_final BEFORE UPDATE OF verdict ON experiments
WHEN OLD.verdict IS NOT NULL AND NEW.verdict IS NOT OLD.verdict BEGIN SELECT RAISE(ABORT, 'a verdict never changes'); END;
CREATE TRIGGER score_is_final BEFORE UPDATE OF score ON runs
WHEN OLD.score IS NOT NULL AND NEW.score IS NOT OLD.score BEGIN SELECT RAISE(ABORT, 'a score never changes'); END;
CREATE TRIGGER experiments_stay BEFORE DELETE ON experiments BEGIN SELECT RAISE(ABORT, 'experiments are never deleted'); END;
CREATE TRIGGER runs_stay BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'runs are never deleted'); END;
CREATE TRIGGER notes_stay BEFORE DELETE ON notes BEGIN SELECT RAISE(ABORT, 'notes are never deleted'); END;
CREATE TRIGGER words_of_an_experiment AFTER INSERT ON experiments BEGIN
  INSERT OR REPLACE INTO words (rowid, description, hypothesis, patch, why) VALUES (
    2 * CAST(SUBSTR(NEW.id, 2) AS INTEGER), NEW.description, NEW.hypothesis, SUBSTR(NEW.patch, 1, 20000),
    COALESCE(NEW.verdict, '') || ' ' || SUBSTR(COALESCE(NEW.reason, ''), 1, 4000));
END;
CREATE TRIGGER words_of_a_verdict AFTER UPDATE OF description, hypothesis, patch, verdict, reason ON experiments BEGIN
  UPDATE words SET description = NEW.description, hypothesis = NEW.hypothesis, patch = SUBSTR(NEW.patch, 1, 20000),
    why = COALESCE(NEW.verdict, '') || ' ' || SUBSTR(COALESCE(NEW.reason, ''), 1, 4000)
  WHERE rowid = 2 * CAST(SUBSTR(NEW.id, 2) AS INTEGER);
END;
CREATE TRIGGER words_of_a_note AFTER INSERT ON notes BEGIN
  INSERT INTO words (rowid, note) VALUES (2 * NEW.id + 1, NEW.text);
END;
