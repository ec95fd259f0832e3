-- What chats and groups share: conversations, copies, messages, and the log of events. Times are
-- microseconds since 1970, 0 for none. Users are opaque ids without a foreign key.
--
-- {{.ID}} is the type of a generated primary key.

-- Every operation on a conversation locks this row first, which puts the operations in order.
CREATE TABLE {conversations} (
    id            {{.ID}},
    kind          SMALLINT NOT NULL, -- 1 one-to-one, 2 group
    last_seq      BIGINT NOT NULL DEFAULT 0,
    last_sent_at  BIGINT NOT NULL DEFAULT 0,
    unread_1      BIGINT NOT NULL DEFAULT 0, -- one-to-one: unread messages in the copy of side 1
    unread_2      BIGINT NOT NULL DEFAULT 0, -- the same for side 2
    -- How many copies have ended. A send that read its copy before it had the lock sees by this
    -- number whether its copy may have ended.
    endings       BIGINT NOT NULL DEFAULT 0,
    purged_seq    BIGINT NOT NULL DEFAULT 0, -- every message up to here is gone
    purge_due     BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX {conversations}_purge ON {conversations} (id) WHERE purge_due;

-- One user's view of a conversation: a chat, or a membership in a group. It shows the messages
-- after cleared_seq (initially joined_seq) that are neither gone nor hidden. A copy that has ended
-- is invisible. It is kept for as long as the log contains the record of its end.
CREATE TABLE {copies} (
    id              {{.ID}},
    conversation_id BIGINT NOT NULL REFERENCES {conversations} (id),
    kind            SMALLINT NOT NULL,
    owner           TEXT NOT NULL,
    other           TEXT NOT NULL DEFAULT '', -- one-to-one
    -- one-to-one: which unread counter this copy uses; 0 in a chat with oneself
    side            SMALLINT NOT NULL DEFAULT 0,
    admin           BOOLEAN NOT NULL DEFAULT FALSE, -- group
    archived        BOOLEAN NOT NULL DEFAULT FALSE,
    joined_seq      BIGINT NOT NULL DEFAULT 0,
    cleared_seq     BIGINT NOT NULL DEFAULT 0,
    read_seq        BIGINT NOT NULL DEFAULT 0, -- group: the member has read up to here
    joined_at       BIGINT NOT NULL,
    join_event      BIGINT NOT NULL DEFAULT 0,
    end_event       BIGINT NOT NULL DEFAULT 0  -- 0: the copy has not ended
);
CREATE UNIQUE INDEX {copies}_pair ON {copies} (owner, other) WHERE kind = 1 AND end_event = 0;
CREATE UNIQUE INDEX {copies}_present ON {copies} (conversation_id, owner) WHERE end_event = 0;
CREATE INDEX {copies}_owner ON {copies} (owner, kind, end_event);
CREATE INDEX {copies}_standing ON {copies} (conversation_id, id);
CREATE INDEX {copies}_read ON {copies} (conversation_id, read_seq) WHERE kind = 2 AND end_event = 0;
CREATE INDEX {copies}_cleared ON {copies} (conversation_id, cleared_seq);
CREATE INDEX {copies}_ended ON {copies} (conversation_id, end_event) WHERE end_event <> 0;
CREATE INDEX {copies}_ended_at ON {copies} (end_event) WHERE end_event <> 0;

-- The messages of each conversation. A message that was unsent or erased, or that no copy shows, is
-- gone: a tombstone without content.
CREATE TABLE {messages} (
    id              {{.ID}},
    conversation_id BIGINT NOT NULL REFERENCES {conversations} (id),
    seq             BIGINT NOT NULL, -- without gaps: counts are computed from it
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

-- A message deleted from one copy. own: the copy's owner sent it. gone: the message is gone.
-- checked: the purge has checked whether any copy still shows it.
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

-- When all members had read the messages of a group with from_seq < seq <= to_seq. The mark is for
-- the messages of everyone but sender, or with only_sender for those of sender alone. The earliest
-- mark counts.
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
    created_by      TEXT NOT NULL, -- '': the creator was erased
    members_count   BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX {groups}_created_by ON {groups} (created_by);

-- Users who were erased. Until done, every list and count leaves out their messages.
CREATE TABLE {erasures} (
    owner TEXT PRIMARY KEY,
    at    BIGINT NOT NULL,
    done  BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX {erasures}_open ON {erasures} (owner) WHERE NOT done;

-- The log of events. It has references, never content. A record with recipient '' is for every user
-- with a copy of the conversation.
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
    -- Tails read by it: see tail_postgres.go.
    xid             xid8 NOT NULL DEFAULT pg_current_xact_id()
{{end}}
);
CREATE INDEX {events}_conversation ON {events} (conversation_id, id) WHERE recipient = '';
CREATE INDEX {events}_recipient ON {events} (recipient, id) WHERE recipient <> '';
{{if .PostgreSQL}}CREATE INDEX {events}_xid ON {events} (xid, id);

-- The safe position of the log, as some node last stored it. A new tail begins there.
CREATE TABLE {log_positions} (
    name TEXT PRIMARY KEY,
    id   BIGINT NOT NULL
);
{{end}}
-- The first record. With it, the log always has a record that identifies it.
INSERT INTO {events} (nonce, operation, at) VALUES ({{.Nonce}}, 'LOG_BEGUN', {{.Now}});
