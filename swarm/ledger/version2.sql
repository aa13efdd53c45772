-- Version 2: what a group of agents knows, plans and predicts together.
CREATE TABLE ideas (                -- the backlog: what somebody should try; a claim is a lease
  id INTEGER PRIMARY KEY, campaign INTEGER NOT NULL REFERENCES campaigns(id), author TEXT /* NULL: a person */,
  text TEXT NOT NULL, evidence TEXT, priority REAL NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state IN ('open','claimed','done','dropped')), holder TEXT, until REAL /* of the lease */,
  experiment TEXT REFERENCES experiments(id), outcome TEXT, at REAL NOT NULL, ended REAL,
  CHECK ((state = 'claimed') = (holder IS NOT NULL AND until IS NOT NULL))
);
CREATE INDEX ideas_open ON ideas(campaign, state, priority DESC, id);
CREATE INDEX ideas_held ON ideas(campaign, holder) WHERE state = 'claimed';
CREATE INDEX ideas_tried ON ideas(experiment) WHERE experiment IS NOT NULL;
CREATE TABLE pages (                -- the notebook that agents improve: every version of a page stays; agent NULL: a person
  id INTEGER PRIMARY KEY, campaign INTEGER NOT NULL REFERENCES campaigns(id), name TEXT NOT NULL, version INTEGER NOT NULL,
  agent TEXT, text TEXT NOT NULL, why TEXT, at REAL NOT NULL, UNIQUE (campaign, name, version)
);
CREATE TABLE waves (                -- a factorial of constants, or of kept changes, asked as one question; author NULL: a person
  id INTEGER PRIMARY KEY, campaign INTEGER NOT NULL REFERENCES campaigns(id), author TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('constants','changes')), base TEXT NOT NULL REFERENCES experiments(id),
  factors TEXT NOT NULL /* JSON */, repeats INTEGER NOT NULL DEFAULT 1,
  state TEXT NOT NULL CHECK (state IN ('open','done','stopped')), answer TEXT /* JSON */, created REAL NOT NULL, ended REAL
);
CREATE INDEX waves_open ON waves(campaign) WHERE state = 'open';
CREATE TABLE cells (                -- the experiments of a wave, and where in it each stands
  wave INTEGER NOT NULL REFERENCES waves(id), experiment TEXT NOT NULL REFERENCES experiments(id),
  levels TEXT NOT NULL /* JSON */, PRIMARY KEY (wave, experiment)
);
CREATE INDEX cells_by_experiment ON cells(experiment);
CREATE TABLE curves (               -- what a run's training loss was when this share of its budget was used
  run INTEGER NOT NULL REFERENCES runs(id), fraction REAL NOT NULL, loss REAL NOT NULL, PRIMARY KEY (run, fraction)
) WITHOUT ROWID;
CREATE TABLE figures (              -- what the coordinator computed last, for screens
  campaign INTEGER NOT NULL REFERENCES campaigns(id), name TEXT NOT NULL, value TEXT NOT NULL /* JSON */, at REAL NOT NULL,
  PRIMARY KEY (campaign, name)
);
CREATE TRIGGER ideas_stay BEFORE DELETE ON ideas BEGIN SELECT RAISE(ABORT, 'ideas are never deleted'); END;
CREATE TRIGGER pages_stay BEFORE DELETE ON pages BEGIN SELECT RAISE(ABORT, 'pages are never deleted'); END;
CREATE TRIGGER page_is_final BEFORE UPDATE OF campaign, name, version, text ON pages
BEGIN SELECT RAISE(ABORT, 'a version of a page never changes'); END;
CREATE TRIGGER waves_stay BEFORE DELETE ON waves BEGIN SELECT RAISE(ABORT, 'waves are never deleted'); END;
-- in `words` a page's rowid is minus twice its id (the newest version only), an idea's minus twice its id less one
CREATE TRIGGER words_of_a_page AFTER INSERT ON pages BEGIN
  DELETE FROM words WHERE rowid IN (SELECT -2 * id FROM pages WHERE campaign = NEW.campaign AND name = NEW.name);
  INSERT INTO words (rowid, note) VALUES (-2 * NEW.id, NEW.name || ' ' || NEW.text);
END;
CREATE TRIGGER words_of_an_idea AFTER INSERT ON ideas BEGIN
  INSERT INTO words (rowid, note) VALUES (-2 * NEW.id - 1, NEW.text || ' ' || COALESCE(NEW.evidence, ''));
END;
