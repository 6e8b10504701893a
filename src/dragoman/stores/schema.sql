CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)

CREATE TABLE conversations (
	id VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	created DOUBLE NOT NULL, 
	metadata BLOB NOT NULL, 
	expires DOUBLE, 
	next INTEGER NOT NULL, 
	used DOUBLE NOT NULL, 
	size BIGINT NOT NULL, 
	PRIMARY KEY (id)
)

CREATE INDEX conversations_by_end ON conversations (expires)

CREATE INDEX conversations_by_use ON conversations (tenant, used, size)

CREATE TABLE responses (
	id VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	created DOUBLE NOT NULL, 
	status VARCHAR NOT NULL, 
	body BLOB NOT NULL, 
	inputs INTEGER NOT NULL, 
	previous VARCHAR, 
	conversation VARCHAR, 
	deployment VARCHAR, 
	background BOOLEAN NOT NULL, 
	expires DOUBLE, 
	lease DOUBLE, 
	used DOUBLE NOT NULL, 
	size BIGINT NOT NULL, 
	PRIMARY KEY (id)
)

CREATE INDEX responses_by_end ON responses (expires)

CREATE INDEX responses_by_lease ON responses (lease)

CREATE INDEX responses_by_use ON responses (tenant, used, size)

CREATE TABLE seals (
	number INTEGER NOT NULL, 
	owner BLOB NOT NULL, 
	entry BLOB NOT NULL, 
	size BIGINT NOT NULL, 
	until DOUBLE NOT NULL, 
	PRIMARY KEY (number)
)

CREATE INDEX seals_by_end ON seals (until)

CREATE INDEX seals_by_use ON seals (owner, until, size)

CREATE TABLE secrets (
	name VARCHAR NOT NULL, 
	value BLOB NOT NULL, 
	PRIMARY KEY (name)
)

CREATE TABLE sessions (
	id VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	next INTEGER NOT NULL, 
	turns INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	used DOUBLE NOT NULL, 
	expires DOUBLE NOT NULL, 
	PRIMARY KEY (id, tenant)
)

CREATE INDEX sessions_by_end ON sessions (expires)

CREATE INDEX sessions_by_use ON sessions (used)

CREATE TABLE conversation_items (
	conversation VARCHAR NOT NULL, 
	place INTEGER NOT NULL, 
	tenant VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (conversation, place), 
	FOREIGN KEY(conversation) REFERENCES conversations (id) ON DELETE CASCADE
)

CREATE INDEX conversation_items_by_id ON conversation_items (tenant, id)

CREATE TABLE response_events (
	response VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (response, number), 
	FOREIGN KEY(response) REFERENCES responses (id) ON DELETE CASCADE
)

CREATE TABLE response_items (
	response VARCHAR NOT NULL, 
	place INTEGER NOT NULL, 
	tenant VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (response, place), 
	FOREIGN KEY(response) REFERENCES responses (id) ON DELETE CASCADE
)

CREATE INDEX response_items_by_id ON response_items (tenant, id)

CREATE TABLE seal_keys (
	"key" BLOB NOT NULL, 
	seal INTEGER NOT NULL, 
	PRIMARY KEY ("key"), 
	FOREIGN KEY(seal) REFERENCES seals (number) ON DELETE CASCADE
)

CREATE INDEX seal_keys_by_seal ON seal_keys (seal)

CREATE TABLE session_turns (
	id VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	place INTEGER NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (id, tenant, place), 
	FOREIGN KEY(id, tenant) REFERENCES sessions (id, tenant) ON DELETE CASCADE
)

CREATE TABLE shares (
	kind VARCHAR NOT NULL, 
	owner VARCHAR NOT NULL, 
	size BIGINT NOT NULL, 
	entries BIGINT NOT NULL, 
	PRIMARY KEY (kind, owner)
)

CREATE INDEX sessions_by_owner ON sessions (tenant, used)

CREATE TRIGGER conversations_come AFTER INSERT ON conversations BEGIN
        INSERT INTO shares (kind, owner, size, entries) VALUES ('conversations', NEW.tenant, NEW.size, 1)
        ON CONFLICT (kind, owner) DO UPDATE SET size = size + excluded.size, entries = entries + 1;
    END

CREATE TRIGGER conversations_change AFTER UPDATE OF size ON conversations BEGIN
        UPDATE shares SET size = size + NEW.size - OLD.size WHERE kind = 'conversations' AND owner = NEW.tenant;
    END

CREATE TRIGGER conversations_leave AFTER DELETE ON conversations BEGIN
        UPDATE shares SET size = size - OLD.size, entries = entries - 1
        WHERE kind = 'conversations' AND owner = OLD.tenant;
    END

CREATE TRIGGER responses_come AFTER INSERT ON responses BEGIN
        INSERT INTO shares (kind, owner, size, entries) VALUES ('responses', NEW.tenant, NEW.size, 1)
        ON CONFLICT (kind, owner) DO UPDATE SET size = size + excluded.size, entries = entries + 1;
    END

CREATE TRIGGER responses_change AFTER UPDATE OF size ON responses BEGIN
        UPDATE shares SET size = size + NEW.size - OLD.size WHERE kind = 'responses' AND owner = NEW.tenant;
    END

CREATE TRIGGER responses_leave AFTER DELETE ON responses BEGIN
        UPDATE shares SET size = size - OLD.size, entries = entries - 1
        WHERE kind = 'responses' AND owner = OLD.tenant;
    END

CREATE TRIGGER seals_come AFTER INSERT ON seals BEGIN
        INSERT INTO shares (kind, owner, size, entries) VALUES ('seals', hex(NEW.owner), NEW.size, 1)
        ON CONFLICT (kind, owner) DO UPDATE SET size = size + excluded.size, entries = entries + 1;
    END

CREATE TRIGGER seals_change AFTER UPDATE OF size ON seals BEGIN
        UPDATE shares SET size = size + NEW.size - OLD.size WHERE kind = 'seals' AND owner = hex(NEW.owner);
    END

CREATE TRIGGER seals_leave AFTER DELETE ON seals BEGIN
        UPDATE shares SET size = size - OLD.size, entries = entries - 1
        WHERE kind = 'seals' AND owner = hex(OLD.owner);
    END

CREATE TRIGGER sessions_come AFTER INSERT ON sessions BEGIN
        INSERT INTO shares (kind, owner, size, entries) VALUES ('sessions', NEW.tenant, (NEW.size + 400 * (NEW.turns + 1)), 1)
        ON CONFLICT (kind, owner) DO UPDATE SET size = size + excluded.size, entries = entries + 1;
    END

CREATE TRIGGER sessions_change AFTER UPDATE OF size, turns ON sessions BEGIN
        UPDATE shares SET size = size + (NEW.size + 400 * (NEW.turns + 1)) - (OLD.size + 400 * (OLD.turns + 1)) WHERE kind = 'sessions' AND owner = NEW.tenant;
    END

CREATE TRIGGER sessions_leave AFTER DELETE ON sessions BEGIN
        UPDATE shares SET size = size - (OLD.size + 400 * (OLD.turns + 1)), entries = entries - 1
        WHERE kind = 'sessions' AND owner = OLD.tenant;
    END

CREATE TABLE chats (
	number INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	created DOUBLE NOT NULL, 
	model VARCHAR NOT NULL, 
	body BLOB NOT NULL, 
	messages BLOB NOT NULL, 
	expires DOUBLE, 
	used DOUBLE NOT NULL, 
	size BIGINT NOT NULL, 
	PRIMARY KEY (number)
)

CREATE UNIQUE INDEX chats_by_id ON chats (tenant, id)

CREATE INDEX chats_by_use ON chats (tenant, used, size)

CREATE INDEX chats_by_end ON chats (expires)

CREATE TABLE chat_metadata (
	chat INTEGER NOT NULL, 
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (chat, "key"), 
	FOREIGN KEY(chat) REFERENCES chats (number) ON DELETE CASCADE
)

CREATE TRIGGER chats_come AFTER INSERT ON chats BEGIN
        INSERT INTO shares (kind, owner, size, entries) VALUES ('chats', NEW.tenant, NEW.size, 1)
        ON CONFLICT (kind, owner) DO UPDATE SET size = size + excluded.size, entries = entries + 1;
    END

CREATE TRIGGER chats_change AFTER UPDATE OF size ON chats BEGIN
        UPDATE shares SET size = size + NEW.size - OLD.size WHERE kind = 'chats' AND owner = NEW.tenant;
    END

CREATE TRIGGER chats_leave AFTER DELETE ON chats BEGIN
        UPDATE shares SET size = size - OLD.size, entries = entries - 1
        WHERE kind = 'chats' AND owner = OLD.tenant;
    END

CREATE TABLE exchanges (
	id VARCHAR NOT NULL, 
	request_id VARCHAR NOT NULL, 
	created DOUBLE NOT NULL, 
	owner VARCHAR NOT NULL, 
	model VARCHAR, 
	status INTEGER, 
	ending VARCHAR, 
	error VARCHAR, 
	called VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	losses INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	line BLOB NOT NULL, 
	trace BLOB NOT NULL, tenant VARCHAR, 
	PRIMARY KEY (id)
)

CREATE INDEX exchanges_by_request ON exchanges (request_id)

CREATE INDEX exchanges_by_time ON exchanges (created, id)

CREATE INDEX exchanges_by_owner ON exchanges (owner, created, size)

CREATE INDEX exchanges_by_model ON exchanges (model, created)

CREATE INDEX exchanges_failed ON exchanges (created, id) WHERE error IS NOT NULL

CREATE INDEX exchanges_by_status ON exchanges (status, created) WHERE status >= 400

CREATE INDEX exchanges_by_error ON exchanges (error, created) WHERE error IS NOT NULL

CREATE TRIGGER exchanges_come AFTER INSERT ON exchanges BEGIN
        INSERT INTO shares (kind, owner, size, entries) VALUES ('exchanges', NEW.owner, NEW.size, 1)
        ON CONFLICT (kind, owner) DO UPDATE SET size = size + excluded.size, entries = entries + 1;
    END

CREATE TRIGGER exchanges_change AFTER UPDATE OF size ON exchanges BEGIN
        UPDATE shares SET size = size + NEW.size - OLD.size WHERE kind = 'exchanges' AND owner = NEW.owner;
    END

CREATE TRIGGER exchanges_leave AFTER DELETE ON exchanges BEGIN
        UPDATE shares SET size = size - OLD.size, entries = entries - 1
        WHERE kind = 'exchanges' AND owner = OLD.owner;
    END

CREATE TABLE added (
	version INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	text BLOB, 
	author VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (version)
)

CREATE INDEX added_by_name ON added (kind, name, version)

CREATE TABLE directory (
	kind VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	text BLOB, 
	version BIGINT NOT NULL, 
	author VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	digest BLOB, 
	"before" BLOB, 
	PRIMARY KEY (kind, name)
)

CREATE UNIQUE INDEX directory_by_version ON directory (version)

CREATE TABLE key_uses (
	"key" VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY ("key")
)

CREATE TABLE own_keys (
	tenant VARCHAR NOT NULL, 
	provider VARCHAR NOT NULL, 
	cipher BLOB NOT NULL, 
	master VARCHAR NOT NULL, 
	shown VARCHAR NOT NULL, 
	author VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (tenant, provider)
)

CREATE TABLE usage_groups (
	id BIGINT NOT NULL, 
	key_name VARCHAR NOT NULL, 
	tenant_name VARCHAR NOT NULL, 
	team_name VARCHAR NOT NULL, 
	user_name VARCHAR NOT NULL, 
	model_name VARCHAR NOT NULL, 
	deployment_name VARCHAR NOT NULL, 
	provider_name VARCHAR NOT NULL, 
	face_name VARCHAR NOT NULL, 
	operation_name VARCHAR NOT NULL, 
	outcome_name VARCHAR NOT NULL, 
	PRIMARY KEY (id)
)

CREATE TABLE usage_records (
	created DOUBLE NOT NULL, 
	id VARCHAR NOT NULL, 
	ended DOUBLE NOT NULL, 
	group_id BIGINT NOT NULL, 
	end_user VARCHAR, 
	status INTEGER, 
	failed BOOLEAN NOT NULL, 
	cost BIGINT, 
	input BIGINT NOT NULL, 
	output BIGINT NOT NULL, 
	rest BLOB NOT NULL, 
	PRIMARY KEY (created, id)
)
 WITHOUT ROWID

CREATE TABLE usage_by_value (
	step SMALLINT NOT NULL, 
	dimension SMALLINT NOT NULL, 
	"begin" BIGINT NOT NULL, 
	value VARCHAR NOT NULL, 
	requests BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	recovered BIGINT NOT NULL, 
	cut BIGINT NOT NULL, 
	streamed BIGINT NOT NULL, 
	estimated BIGINT NOT NULL, 
	calls BIGINT NOT NULL, 
	failed_calls BIGINT NOT NULL, 
	unpriced BIGINT NOT NULL, 
	cost BIGINT NOT NULL, 
	u_input BIGINT NOT NULL, 
	u_cache_read BIGINT NOT NULL, 
	u_cache_write BIGINT NOT NULL, 
	u_cache_write_5m BIGINT NOT NULL, 
	u_cache_write_1h BIGINT NOT NULL, 
	u_output BIGINT NOT NULL, 
	u_reasoning BIGINT NOT NULL, 
	total_0 BIGINT NOT NULL, 
	total_1 BIGINT NOT NULL, 
	total_2 BIGINT NOT NULL, 
	total_3 BIGINT NOT NULL, 
	total_4 BIGINT NOT NULL, 
	total_5 BIGINT NOT NULL, 
	total_6 BIGINT NOT NULL, 
	total_7 BIGINT NOT NULL, 
	total_8 BIGINT NOT NULL, 
	total_9 BIGINT NOT NULL, 
	total_10 BIGINT NOT NULL, 
	total_11 BIGINT NOT NULL, 
	total_12 BIGINT NOT NULL, 
	total_13 BIGINT NOT NULL, 
	total_14 BIGINT NOT NULL, 
	total_15 BIGINT NOT NULL, 
	total_16 BIGINT NOT NULL, 
	total_17 BIGINT NOT NULL, 
	total_18 BIGINT NOT NULL, 
	total_19 BIGINT NOT NULL, 
	first_0 BIGINT NOT NULL, 
	first_1 BIGINT NOT NULL, 
	first_2 BIGINT NOT NULL, 
	first_3 BIGINT NOT NULL, 
	first_4 BIGINT NOT NULL, 
	first_5 BIGINT NOT NULL, 
	first_6 BIGINT NOT NULL, 
	first_7 BIGINT NOT NULL, 
	first_8 BIGINT NOT NULL, 
	first_9 BIGINT NOT NULL, 
	first_10 BIGINT NOT NULL, 
	first_11 BIGINT NOT NULL, 
	first_12 BIGINT NOT NULL, 
	first_13 BIGINT NOT NULL, 
	first_14 BIGINT NOT NULL, 
	first_15 BIGINT NOT NULL, 
	first_16 BIGINT NOT NULL, 
	first_17 BIGINT NOT NULL, 
	first_18 BIGINT NOT NULL, 
	first_19 BIGINT NOT NULL, 
	PRIMARY KEY (step, dimension, "begin", value)
)
 WITHOUT ROWID

CREATE TABLE usage_by_group (
	step SMALLINT NOT NULL, 
	"begin" BIGINT NOT NULL, 
	group_id BIGINT NOT NULL, 
	requests BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	recovered BIGINT NOT NULL, 
	cut BIGINT NOT NULL, 
	streamed BIGINT NOT NULL, 
	estimated BIGINT NOT NULL, 
	calls BIGINT NOT NULL, 
	failed_calls BIGINT NOT NULL, 
	unpriced BIGINT NOT NULL, 
	cost BIGINT NOT NULL, 
	u_input BIGINT NOT NULL, 
	u_cache_read BIGINT NOT NULL, 
	u_cache_write BIGINT NOT NULL, 
	u_cache_write_5m BIGINT NOT NULL, 
	u_cache_write_1h BIGINT NOT NULL, 
	u_output BIGINT NOT NULL, 
	u_reasoning BIGINT NOT NULL, 
	total_0 BIGINT NOT NULL, 
	total_1 BIGINT NOT NULL, 
	total_2 BIGINT NOT NULL, 
	total_3 BIGINT NOT NULL, 
	total_4 BIGINT NOT NULL, 
	total_5 BIGINT NOT NULL, 
	total_6 BIGINT NOT NULL, 
	total_7 BIGINT NOT NULL, 
	total_8 BIGINT NOT NULL, 
	total_9 BIGINT NOT NULL, 
	total_10 BIGINT NOT NULL, 
	total_11 BIGINT NOT NULL, 
	total_12 BIGINT NOT NULL, 
	total_13 BIGINT NOT NULL, 
	total_14 BIGINT NOT NULL, 
	total_15 BIGINT NOT NULL, 
	total_16 BIGINT NOT NULL, 
	total_17 BIGINT NOT NULL, 
	total_18 BIGINT NOT NULL, 
	total_19 BIGINT NOT NULL, 
	first_0 BIGINT NOT NULL, 
	first_1 BIGINT NOT NULL, 
	first_2 BIGINT NOT NULL, 
	first_3 BIGINT NOT NULL, 
	first_4 BIGINT NOT NULL, 
	first_5 BIGINT NOT NULL, 
	first_6 BIGINT NOT NULL, 
	first_7 BIGINT NOT NULL, 
	first_8 BIGINT NOT NULL, 
	first_9 BIGINT NOT NULL, 
	first_10 BIGINT NOT NULL, 
	first_11 BIGINT NOT NULL, 
	first_12 BIGINT NOT NULL, 
	first_13 BIGINT NOT NULL, 
	first_14 BIGINT NOT NULL, 
	first_15 BIGINT NOT NULL, 
	first_16 BIGINT NOT NULL, 
	first_17 BIGINT NOT NULL, 
	first_18 BIGINT NOT NULL, 
	first_19 BIGINT NOT NULL, 
	PRIMARY KEY (step, "begin", group_id)
)
 WITHOUT ROWID

CREATE TABLE usage_units (
	step SMALLINT NOT NULL, 
	dimension SMALLINT NOT NULL, 
	"begin" BIGINT NOT NULL, 
	value VARCHAR NOT NULL, 
	unit VARCHAR NOT NULL, 
	amount BIGINT NOT NULL, 
	PRIMARY KEY (step, dimension, "begin", value, unit)
)
 WITHOUT ROWID

CREATE TABLE usage_group_units (
	step SMALLINT NOT NULL, 
	"begin" BIGINT NOT NULL, 
	group_id BIGINT NOT NULL, 
	unit VARCHAR NOT NULL, 
	amount BIGINT NOT NULL, 
	PRIMARY KEY (step, "begin", group_id, unit)
)
 WITHOUT ROWID

CREATE TABLE owned (
	id VARCHAR NOT NULL, 
	owner VARCHAR NOT NULL, 
	provider VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	upstream VARCHAR NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (id)
)

CREATE UNIQUE INDEX owned_by_upstream ON owned (provider, upstream)

CREATE INDEX owned_by_owner ON owned (owner, provider, kind)

CREATE TABLE limit_counters (
	counter VARCHAR NOT NULL, 
	ends BIGINT NOT NULL, 
	used BIGINT NOT NULL, 
	PRIMARY KEY (counter)
)
 WITHOUT ROWID

CREATE INDEX limit_counters_by_end ON limit_counters (ends)

CREATE INDEX exchanges_by_tenant ON exchanges (tenant, created, id) WHERE tenant IS NOT NULL

CREATE TABLE schema_marks (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
)

INSERT INTO alembic_version VALUES ('0010')

INSERT INTO schema_marks VALUES ('compatible_from', '0001')
