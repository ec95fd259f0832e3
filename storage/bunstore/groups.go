package bunstore

import (
	"context"
	"database/sql"
	"math"
	"strconv"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// CreateGroup implements [group.Store].
func (s *Store) CreateGroup(ctx context.Context, creator user.ID, d group.Draft) (g group.Group, own group.Copy, err error) {
	defer emptyOnError(&err, &g)
	defer emptyOnError(&err, &own)
	if err := storage.CheckText("title", d.Title, "description", d.Description); err != nil {
		return group.Group{}, group.Copy{}, err
	}
	err = s.act(ctx, func(t *tx) error {
		if err := t.lockUsers(ctx, creator); err != nil {
			return err
		}
		now := t.time()
		conv := conversation{kind: chat.Group}
		if _, err := t.row(ctx, `INSERT INTO {conversations} (kind) VALUES ($1) RETURNING id`, []any{int64(chat.Group)}, &conv.id); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO {groups} (conversation_id, title, description, created_by, members_count, updated_at) VALUES ($1, $2, $3, $4, 0, $5)`,
			conv.id, d.Title, d.Description, userArg(creator), now); err != nil {
			return err
		}
		member, err := t.join(ctx, conv, creator, creator, true, now)
		if err != nil {
			return err
		}
		g = group.Group{ID: conv.id, Title: d.Title, Description: d.Description, MembersCount: 1, CreatedBy: creator, UpdatedAt: moment(now)}
		own = group.Copy{Member: member, Activity: member.Joined}
		return nil
	})
	return g, own, err
}

// join adds a member to a locked group and records it.
func (t *tx) join(ctx context.Context, conv conversation, u, actor user.ID, admin bool, now int64) (group.Member, error) {
	m := group.Member{Group: conv.id, User: u, Admin: admin, Joined: moment(now)}
	if _, err := t.row(ctx, `INSERT INTO {copies} (conversation_id, kind, owner, admin, joined_seq, cleared_seq, read_seq, joined_at)
		VALUES ($1, $2, $3, $4, $5, $5, $5, $6) RETURNING id`,
		[]any{conv.id, int64(chat.Group), userArg(u), admin, conv.lastSeq, now}, &m.ID); err != nil {
		return m, err
	}
	if _, err := t.exec(ctx, `UPDATE {groups} SET members_count = members_count + 1 WHERE conversation_id = $1`, conv.id); err != nil {
		return m, err
	}
	joined, err := t.record(ctx, realtime.Record{Operation: realtime.MemberAdded, At: m.Joined, Conversation: conv.id, Kind: conv.kind, Actor: actor, Member: m.ID}, u)
	if err != nil {
		return m, err
	}
	_, err = t.exec(ctx, `UPDATE {copies} SET join_event = $2 WHERE id = $1`, m.ID, joined)
	return m, err
}

const memberColumns = `x.id, x.conversation_id, x.owner, x.admin, x.joined_at`

func scanMember(rows *sql.Rows, more ...any) (group.Member, error) {
	var m group.Member
	var joined int64
	err := rows.Scan(append([]any{&m.ID, &m.Group, &m.User, &m.Admin, &joined}, more...)...)
	m.Joined = moment(joined)
	return m, err
}

const groupCopyColumns = `c.id, c.conversation_id, c.owner, c.admin, c.joined_at, c.archived, ` + activity

func scanGroupCopy(rows *sql.Rows) (group.Copy, error) {
	var c group.Copy
	var active int64
	var err error
	c.Member, err = scanMember(rows, &c.Archived, &active)
	c.Activity = moment(active)
	return c, err
}

// Copies implements [group.Store].
func (s *Store) Copies(ctx context.Context, owner user.ID, ids ...int64) (map[int64]group.Copy, error) {
	copies := make(map[int64]group.Copy, len(ids))
	err := s.reader().query(ctx, `SELECT `+groupCopyColumns+` FROM {copies} c JOIN {conversations} v ON v.id = c.conversation_id
		WHERE `+s.in("c.id", "$2", "bigint")+` AND c.owner = $1 AND c.kind = 2 AND c.end_event = 0`,
		[]any{userArg(owner), list(s, ids)}, func(rows *sql.Rows) error {
			c, err := scanGroupCopy(rows)
			copies[c.ID] = c
			return err
		})
	return copies, err
}

// ListCopies implements [group.Store].
func (s *Store) ListCopies(ctx context.Context, owner user.ID, f group.Filter, r storage.Range) (copies []group.Copy, err error) {
	err = s.listByActivity(ctx, chat.Group, owner, f.Archived, r, groupCopyColumns, func(rows *sql.Rows) error {
		c, err := scanGroupCopy(rows)
		copies = append(copies, c)
		return err
	})
	if r.Backward {
		reverse(copies)
	}
	return copies, err
}

// CountCopies implements [group.Store].
func (s *Store) CountCopies(ctx context.Context, owner user.ID, f group.Filter) (int, error) {
	return s.countByOwner(ctx, chat.Group, owner, f.Archived)
}

// Groups implements [group.Store].
func (s *Store) Groups(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]group.Group, error) {
	return s.reader().groups(ctx, viewer, ids...)
}

func (t *tx) groups(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]group.Group, error) {
	groups := make(map[int64]group.Group, len(ids))
	err := t.query(ctx, `SELECT g.conversation_id, g.title, g.description, g.image, g.members_count, g.created_by, g.updated_at FROM {groups} g
		WHERE `+t.in("g.conversation_id", "$2", "bigint")+`
		AND EXISTS (SELECT 1 FROM {copies} c WHERE c.conversation_id = g.conversation_id AND c.owner = $1 AND c.end_event = 0)`,
		[]any{userArg(viewer), list(t.Store, ids)}, func(rows *sql.Rows) error {
			var g group.Group
			var updated int64
			err := rows.Scan(&g.ID, &g.Title, &g.Description, &g.Image, &g.MembersCount, &g.CreatedBy, &updated)
			g.UpdatedAt = moment(updated)
			groups[g.ID] = g
			return err
		})
	return groups, err
}

// MembersByID implements [group.Store].
func (s *Store) MembersByID(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]group.Member, error) {
	members := make(map[int64]group.Member, len(ids))
	err := s.reader().query(ctx, `SELECT `+memberColumns+` FROM {copies} x
		JOIN {copies} c ON c.conversation_id = x.conversation_id AND c.owner = $1 AND c.end_event = 0
		WHERE `+s.in("x.id", "$2", "bigint")+` AND x.kind = 2 AND x.end_event = 0`,
		[]any{userArg(viewer), list(s, ids)}, func(rows *sql.Rows) error {
			m, err := scanMember(rows)
			members[m.ID] = m
			return err
		})
	return members, err
}

// Members implements [group.Store].
func (s *Store) Members(ctx context.Context, viewer user.ID, groups []int64, r storage.Range) ([][]group.Member, error) {
	sp := newSpan(r, "x.id", false, []any{list(s, groups), userArg(viewer)})
	from := s.joinFirst(`{groups} g`, `{copies}`, sp.and(`x.conversation_id = g.conversation_id AND x.end_event = 0`), sp.order, sp.limit)
	found := make(map[int64][]group.Member, len(groups))
	err := s.reader().query(ctx, `SELECT `+memberColumns+` FROM `+from+` WHERE `+s.in("g.conversation_id", "$1", "bigint")+`
		AND EXISTS (SELECT 1 FROM {copies} c WHERE c.conversation_id = g.conversation_id AND c.owner = $2 AND c.end_event = 0) ORDER BY x.id`,
		sp.args, func(rows *sql.Rows) error {
			m, err := scanMember(rows)
			found[m.Group] = append(found[m.Group], m)
			return err
		})
	return inKeyOrder(groups, found), err
}

// hasRead is the SQL condition that the member x has read the message m of another member.
const hasRead = `x.conversation_id = m.conversation_id AND x.end_event = 0 AND x.owner <> m.sender AND x.joined_seq < m.seq AND x.read_seq >= m.seq`

// shownMessages returns a table m of the given messages, each with the given copy, if that copy
// shows it. Its arguments are numbered from 1.
func (s *Store) shownMessages() string {
	// CROSS JOIN makes SQLite look up each row by its id. Otherwise it would read all members of
	// the group for each message.
	join := `JOIN`
	if s.dialect == SQLite {
		join = `CROSS JOIN`
	}
	return `(SELECT x.id, x.conversation_id, x.seq, x.sender, c.kind, c.id AS copy_id, c.owner FROM ` + s.pairs(1) + ` p
		` + join + ` {messages} x ON x.id = p.a ` + join + ` {copies} c ON c.id = p.b AND c.conversation_id = x.conversation_id AND c.end_event = 0
		WHERE ` + visible + `) m`
}

// refs returns the arguments for [Store.shownMessages].
func (s *Store) refs(messages []group.MessageRef) []any {
	var ids, copies []int64
	// A pair that is asked for twice would return its rows twice.
	asked := make(map[[2]int64]bool, len(messages))
	for _, m := range messages {
		if pair := [2]int64{m.Message, m.Copy.ID}; !asked[pair] {
			asked[pair] = true
			ids, copies = append(ids, m.Message), append(copies, m.Copy.ID)
		}
	}
	return s.pairArgs(ids, copies)
}

// hasReadByIndex is hasRead in the form of the index on read points, which no other index serves as
// well. Do not use it to read in the order of ids.
const hasReadByIndex = hasRead + ` AND x.kind = 2`

// fewReaders is up to how many readers of a message are read and sorted at once. For a message with
// more readers, the members of its group are scanned in order, since many of them are readers.
const fewReaders = 500

// Readers implements [group.Store].
func (s *Store) Readers(ctx context.Context, messages []group.MessageRef, r storage.Range) ([][]group.Member, error) {
	counts, err := s.countReaders(ctx, messages, fewReaders)
	if err != nil {
		return nil, err
	}
	var few, many []group.MessageRef
	for _, m := range messages {
		if counts[m] < fewReaders {
			few = append(few, m)
		} else {
			many = append(many, m)
		}
	}
	found := make(map[group.MessageRef][]group.Member, len(messages))
	// An expression instead of the plain id keeps the databases from scanning in the order of ids.
	if err := s.readers(ctx, few, hasReadByIndex, newSpan(r, "(x.id + 0)", false, s.refs(few)), found); err != nil {
		return nil, err
	}
	if err := s.readers(ctx, many, hasRead, newSpan(r, "x.id", false, s.refs(many)), found); err != nil {
		return nil, err
	}
	return inKeyOrder(messages, found), nil
}

func (s *Store) readers(ctx context.Context, messages []group.MessageRef, condition string, sp span, found map[group.MessageRef][]group.Member) error {
	if len(messages) == 0 {
		return nil
	}
	from := s.joinFirst(s.shownMessages(), `{copies}`, sp.and(condition), sp.order, sp.limit)
	return s.reader().query(ctx, `SELECT `+memberColumns+`, m.id, m.kind, m.copy_id, m.owner FROM `+from+` ORDER BY x.id`,
		sp.args, func(rows *sql.Rows) error {
			var m group.MessageRef
			member, err := scanMember(rows, &m.Message, &m.Copy.Kind, &m.Copy.ID, &m.Copy.Owner)
			found[m] = append(found[m], member)
			return err
		})
}

// CountReaders implements [group.Store].
func (s *Store) CountReaders(ctx context.Context, messages []group.MessageRef) ([]int, error) {
	counts, err := s.countReaders(ctx, messages, math.MaxInt32)
	return inKeyOrder(messages, counts), err
}

// countReaders counts the readers of each message, up to most.
func (s *Store) countReaders(ctx context.Context, messages []group.MessageRef, most int) (map[group.MessageRef]int, error) {
	found := make(map[group.MessageRef]int, len(messages))
	args := append(s.refs(messages), most)
	err := s.reader().query(ctx, `SELECT m.id, m.kind, m.copy_id, m.owner,
			(SELECT count(*) FROM (SELECT 1 FROM {copies} x WHERE `+hasReadByIndex+` LIMIT $`+strconv.Itoa(len(args))+`) r) FROM `+s.shownMessages(),
		args, func(rows *sql.Rows) error {
			var m group.MessageRef
			var n int
			err := rows.Scan(&m.Message, &m.Copy.Kind, &m.Copy.ID, &m.Copy.Owner, &n)
			found[m] = n
			return err
		})
	return found, err
}
