-- What chats and groups share: conversations, copies, messages, and the log of events.
-- Moments are microseconds since 1970, 0 for none. Users are opaque ids without a foreign key.
--
-- {{.ID}} makes a number of its own for each row.

-- The row that orders a conversation: every act on it locks this row first.
CREATE TABLE {conversations} (
    id            {{.ID}},
    kind          SMALLINT NOT NULL, -- 1 one-to-one, 2 group
    last_seq      BIGINT NOT NULL DEFAULT 0,
    last_sent_at  BIGINT NOT NULL DEFAULT 0,
    unread_1      BIGINT NOT NULL DEFAULT 0, -- one-to-one: unread messages in the copy of side 1
    unread_2      BIGINT NOT NULL DEFAULT 0, -- and of side 2
    endings       BIGINT NOT NULL DEFAULT 0, -- how many copies have ended: tells a send that did not wait whether its copy may be among them
    purged_seq    BIGINT NOT NULL DEFAULT 0, -- every message up to here is gone
    purge_due     BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX {conversations}_purge ON {conversations} (id) WHERE purge_due;

-- One user's view of a conversation: a chat of theirs, or a membership in a group. It shows the messages behind cleared_seq (which
-- begins as joined_seq) that are neither gone nor hidden. An ended copy stays, invisible, for as long as the log tells of its end.
CREATE TABLE {copies} (
    id              {{.ID}},
    conversation_id BIGINT NOT NULL REFERENCES {conversations} (id),
    kind            SMALLINT NOT NULL,
    owner           TEXT NOT NULL,
    other           TEXT NOT NULL DEFAULT '', -- one-to-one
    side            SMALLINT NOT NULL DEFAULT 0, -- one-to-one: which unread counter is this copy's; 0 with oneself
    admin           BOOLEAN NOT NULL DEFAULT FALSE, -- group
    archived        BOOLEAN NOT NULL DEFAULT FALSE,
    joined_seq      BIGINT NOT NULL DEFAULT 0,
    cleared_seq     BIGINT NOT NULL DEFAULT 0,
    read_seq        BIGINT NOT NULL DEFAULT 0, -- group: the read point
    joined_at       BIGINT NOT NULL,
    join_event      BIGINT NOT NULL DEFAULT 0,
    end_event       BIGINT NOT NULL DEFAULT 0  -- 0: it lasts
);
CREATE UNIQUE INDEX {copies}_pair ON {copies} (owner, other) WHERE kind = 1 AND end_event = 0;
CREATE UNIQUE INDEX {copies}_present ON {copies} (conversation_id, owner) WHERE end_event = 0;
CREATE INDEX {copies}_owner ON {copies} (owner, kind, end_event);
CREATE INDEX {copies}_standing ON {copies} (conversation_id, id);
CREATE INDEX {copies}_read ON {copies} (conversation_id, read_seq) WHERE kind = 2 AND end_event = 0;
CREATE INDEX {copies}_cleared ON {copies} (conversation_id, cleared_seq);
CREATE INDEX {copies}_ended ON {copies} (conversation_id, end_event) WHERE end_event <> 0;
CREATE INDEX {copies}_ended_at ON {copies} (end_event) WHERE end_event <> 0;

-- The log of each conversation. A message that was unsent, erased, or that no copy shows is gone: a tombstone without content.
CREATE TABLE {messages} (
    id              {{.ID}},
    conversation_id BIGINT NOT NULL REFERENCES {conversations} (id),
    seq             BIGINT NOT NULL, -- dense: counts are arithmetic on it
    sender          TEXT NOT NULL,
    content         TEXT NOT NULL,
    client_id       TEXT,
    created_at      BIGINT NOT NULL,
    edited_at       BIGINT NOT NULL DEFAULT 0,
    read_at         BIGINT NOT NULL DEFAULT 0, -- one-to-one
    gone            BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE UNIQUE INDEX {messages}_place ON {messages} (conversation_id, seq);
CREATE UNIQUE INDEX {messages}_client ON {messages} (conversation_id, sender, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX {messages}_gone ON {messages} (conversation_id, seq) WHERE gone;
CREATE INDEX {messages}_sender ON {messages} (sender, conversation_id, seq) WHERE NOT gone;
CREATE INDEX {messages}_sender_gone ON {messages} (sender) WHERE gone AND sender <> '';
CREATE INDEX {messages}_order ON {messages} (conversation_id, id);

-- A message deleted from one copy. own: its owner had sent it. gone: the message is. checked: the purge has looked whether any copy still shows it.
CREATE TABLE {hidden} (
    copy_id    BIGINT NOT NULL REFERENCES {copies} (id),
    message_id BIGINT NOT NULL REFERENCES {messages} (id),
    seq        BIGINT NOT NULL,
    own        BOOLEAN NOT NULL,
    gone       BOOLEAN NOT NULL DEFAULT FALSE,
    checked    BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (copy_id, message_id)
);
CREATE INDEX {hidden}_message ON {hidden} (message_id);
CREATE INDEX {hidden}_count ON {hidden} (copy_id, seq) WHERE NOT gone;
CREATE INDEX {hidden}_unchecked ON {hidden} (message_id) WHERE NOT checked;

-- When messages of a group had been read by all: those with from_seq < seq <= to_seq, of everybody but sender, or (only) of sender alone. The earliest counts.
CREATE TABLE {read_marks} (
    id              {{.ID}},
    conversation_id BIGINT NOT NULL REFERENCES {conversations} (id),
    sender          TEXT NOT NULL,
    only_sender     BOOLEAN NOT NULL,
    from_seq        BIGINT NOT NULL,
    to_seq          BIGINT NOT NULL,
    at              BIGINT NOT NULL
);
CREATE INDEX {read_marks}_others ON {read_marks} (conversation_id, to_seq) WHERE NOT only_sender;
CREATE INDEX {read_marks}_sender ON {read_marks} (conversation_id, sender, to_seq) WHERE only_sender;

CREATE TABLE {notification_reads} (
    copy_id    BIGINT NOT NULL REFERENCES {copies} (id),
    message_id BIGINT NOT NULL REFERENCES {messages} (id),
    at         BIGINT NOT NULL,
    PRIMARY KEY (copy_id, message_id)
);
CREATE INDEX {notification_reads}_of ON {notification_reads} (message_id);

CREATE TABLE {groups} (
    conversation_id BIGINT PRIMARY KEY REFERENCES {conversations} (id),
    title           TEXT NOT NULL,
    description     TEXT NOT NULL DEFAULT '',
    image           TEXT NOT NULL DEFAULT '',
    created_by      TEXT NOT NULL, -- '': erased
    members_count   BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX {groups}_created_by ON {groups} (created_by);

-- Users who were erased. Until done, what they wrote is left out of every page and count.
CREATE TABLE {erasures} (
    owner TEXT PRIMARY KEY,
    at    BIGINT NOT NULL,
    done  BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX {erasures}_open ON {erasures} (owner) WHERE NOT done;

-- The log of events: references, never content. recipient '' is everybody with a copy of the conversation.
CREATE TABLE {events} (
    id              {{.ID}},
    nonce           BIGINT NOT NULL,
    operation       TEXT NOT NULL,
    at              BIGINT NOT NULL,
    conversation_id BIGINT NOT NULL DEFAULT 0,
    kind            SMALLINT NOT NULL DEFAULT 0,
    recipient       TEXT NOT NULL DEFAULT '',
    actor           TEXT NOT NULL DEFAULT '',
    message_id      BIGINT NOT NULL DEFAULT 0,
    seq             BIGINT NOT NULL DEFAULT 0,
    from_seq        BIGINT NOT NULL DEFAULT 0,
    member_id       BIGINT NOT NULL DEFAULT 0,
    session         TEXT NOT NULL DEFAULT '',
    erased          BOOLEAN NOT NULL DEFAULT FALSE{{if .PostgreSQL}},
    xid             xid8 NOT NULL DEFAULT pg_current_xact_id() -- who follows the log reads by it: see tail_postgres.go
{{end}}
);
CREATE INDEX {events}_conversation ON {events} (conversation_id, id) WHERE recipient = '';
CREATE INDEX {events}_recipient ON {events} (recipient, id) WHERE recipient <> '';
{{if .PostgreSQL}}CREATE INDEX {events}_xid ON {events} (xid, id);

-- Up to where the log is known to have no open record, as some node last wrote it: where the next one to start begins.
CREATE TABLE {log_positions} (
    name TEXT PRIMARY KEY,
    id   BIGINT NOT NULL
);
{{end}}
-- The first record, so that there always is one to know the log by.
INSERT INTO {events} (nonce, operation, at) VALUES ({{.Nonce}}, 'LOG_BEGUN', {{.Now}});
