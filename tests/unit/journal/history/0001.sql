BEGIN TRANSACTION;
CREATE TABLE claims (
	estate VARCHAR NOT NULL, 
	machine VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	PRIMARY KEY (estate, machine)
);
CREATE TABLE estates (
	connector VARCHAR NOT NULL, 
	identity VARCHAR NOT NULL, 
	PRIMARY KEY (connector)
);
INSERT INTO "estates" VALUES('pve','cluster-1');
CREATE TABLE events (
	run VARCHAR NOT NULL, 
	seq INTEGER NOT NULL, 
	type VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	data VARCHAR NOT NULL, 
	PRIMARY KEY (run, seq)
)
 WITHOUT ROWID

;
INSERT INTO "events" VALUES('test-1',1,'run.requested',1,'{"at":"2030-01-01T00:00:00Z","run":"test-1","plan":{"id":"test","title":"Test","steps":[{"id":"db","action":{"machine":{"connector":"pve","id":"db"}},"verify":[{"kind":"tcp","name":"tcp","params":{"host":"10.0.0.1","port":80}}]},{"id":"web","action":{"machine":{"connector":"pve","id":"web"}},"depends_on":[{"target":"db"}],"verify":[{"kind":"tcp","name":"tcp","params":{"host":"10.0.0.1","port":80}}]}]},"mode":"live","by":"ops"}');
INSERT INTO "events" VALUES('test-1',2,'run.started',1,'{"at":"2030-01-01T00:00:00Z","driver":"old:1"}');
INSERT INTO "events" VALUES('test-1',3,'run.paused',1,'{"at":"2030-01-01T00:00:00Z","by":"anna","comment":"à l''aube"}');
INSERT INTO "events" VALUES('test-1',4,'run.ended',1,'{"at":"2030-01-01T00:00:00Z","status":"aborted"}');
CREATE TABLE holds (
	connector VARCHAR NOT NULL, 
	machine VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	"by" VARCHAR NOT NULL, 
	at VARCHAR NOT NULL, 
	PRIMARY KEY (connector, machine)
);
INSERT INTO "holds" VALUES('pve','7','encrypted','anna','2026-11-01T00:00:00Z');
CREATE TABLE inbox (
	id INTEGER NOT NULL, 
	run VARCHAR NOT NULL, 
	decision VARCHAR NOT NULL, 
	data VARCHAR NOT NULL, 
	at VARCHAR NOT NULL, 
	answered_at VARCHAR, 
	refused VARCHAR NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "inbox" VALUES(1,'test-1','abort','{"by":"anna","comment":""}','2026-11-22T07:15:15.259Z',NULL,'');
CREATE TABLE plans (
	"plan" VARCHAR NOT NULL, 
	revision INTEGER NOT NULL, 
	digest VARCHAR NOT NULL, 
	source VARCHAR NOT NULL, 
	created_at VARCHAR NOT NULL, 
	created_by VARCHAR NOT NULL, 
	PRIMARY KEY ("plan", revision)
);
INSERT INTO "plans" VALUES('test',1,'abc','drorch: 1
','2026-11-22T07:15:15.277Z','anna');
CREATE TABLE runs (
	id VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	"plan" VARCHAR NOT NULL, 
	mode VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	created_at VARCHAR NOT NULL, 
	ended_at VARCHAR, 
	summary VARCHAR NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('test-1',1,'test','live','aborted','2026-11-22T07:15:15.227Z','2030-01-01T00:00:00.000Z','{}');
CREATE INDEX ix_plans_digest ON plans (digest);
CREATE INDEX ix_runs_status ON runs (status);
CREATE INDEX ix_runs_plan ON runs ("plan");
CREATE INDEX ix_runs_number ON runs (number);
CREATE INDEX ix_claims_run ON claims (run);
CREATE INDEX ix_inbox_run ON inbox (run);
CREATE INDEX ix_inbox_answered_at ON inbox (answered_at);
COMMIT;
PRAGMA user_version=1;
