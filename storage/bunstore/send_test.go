package bunstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/user"
)

// opened opens a chat.
func (db database) opened(t *testing.T, owner, other user.ID) (mine, others chat.Copy) {
	t.Helper()
	one, two, err := db.OpenChat(t.Context(), owner, other)
	require.NoError(t, err)
	return one.Copy(), two.Copy()
}

// contents returns the contents that a copy shows, oldest first.
func (db database) contents(t *testing.T, c chat.Copy) (contents []string) {
	t.Helper()
	lists, err := db.Messages(t.Context(), []chat.Copy{c}, storage.Range{Limit: 1000, Backward: true})
	require.NoError(t, err)
	for _, m := range lists[0] {
		contents = append([]string{m.Content}, contents...)
	}
	return contents
}

func TestAMessageThatTheDatabaseRejectsFailsNoOther(t *testing.T) {
	t.Parallel()
	db := migrated(t, openPostgres)
	alice, _ := db.opened(t, "alice", "bob")
	for _, statement := range []string{ // set up by the host
		`ALTER TABLE buddychat_messages ADD CONSTRAINT clean CHECK (content <> 'dirt')`,
		`CREATE FUNCTION polite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.content = 'damn' THEN RAISE EXCEPTION 'not polite' USING ERRCODE = 'HOST1'; END IF;
			RETURN NEW;
		END $$`,
		`CREATE TRIGGER polite BEFORE INSERT ON buddychat_messages FOR EACH ROW EXECUTE FUNCTION polite()`,
	} {
		_, err := db.sql.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	for content, refusal := range map[string]string{"dirt": "clean", "damn": "not polite"} {
		for _, sent := range db.AppendBatch(t.Context(), []chat.Copy{alice, alice, alice}, []chat.Draft{{Content: "one"}, {Content: content}, {Content: "two"}}) {
			require.NoError(t, sent.Err)
			require.True(t, sent.Alone)
		}
		_, err := db.AppendMessage(t.Context(), alice, chat.Draft{Content: content})
		require.ErrorContains(t, err, refusal)
	}
}

func TestEachMessageOfABatchSucceedsOrFailsByItself(t *testing.T) {
	t.Parallel()
	for name, open := range eachDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			alice, bob := db.opened(t, "alice", "bob")
			carol, _ := db.opened(t, "carol", "bob")
			_, err := db.AppendMessage(t.Context(), alice, chat.Draft{Content: "before", ClientID: "before"})
			require.NoError(t, err)
			copies := []chat.Copy{alice, carol, bob, {Kind: chat.OneToOne, ID: 1 << 40, Owner: "alice"}, {Kind: chat.OneToOne, ID: alice.ID, Owner: "bob"},
				{Kind: chat.Group, ID: alice.ID, Owner: "alice"}, alice, alice, alice, bob, alice}
			drafts := []chat.Draft{{Content: `one "{\,'`}, {Content: "elsewhere"}, {Content: "two"}, {Content: "not there"}, {Content: "another's"},
				{Content: "of another kind"}, {Content: "before", ClientID: "before"}, {Content: "three", ClientID: "once"}, {Content: "three", ClientID: "once"},
				{Content: "four", ClientID: "once"}, {Content: "five"}}
			var places []int64
			for i, sent := range db.AppendBatch(t.Context(), copies, drafts) {
				switch i {
				case 3, 4, 5:
					require.True(t, sent.Alone || storage.Message(sent.Err) != "", "%d", i)
					continue
				case 6, 8:
					require.True(t, sent.Alone || sent.Err == nil && sent.Message.Content == drafts[i].Content, "%d", i)
					continue
				}
				require.NoError(t, sent.Err)
				require.False(t, sent.Alone, "%d", i)
				m, err := db.Message(t.Context(), copies[i], sent.Message.ID)
				require.NoError(t, err)
				require.Equal(t, m, sent.Message)
				if i != 1 {
					places = append(places, m.Seq)
				}
			}
			require.Equal(t, []int64{2, 3, 4, 5, 6}, places, "in the order of the batch, without gaps")
			require.Equal(t, []string{"before", `one "{\,'`, "two", "three", "four", "five"}, db.contents(t, bob))
			unread, err := db.CountUnread(t.Context(), []chat.Copy{alice, bob, carol})
			require.NoError(t, err)
			require.Equal(t, []int{2, 4, 0}, unread)
			records, err := db.Records(t.Context(), "bob", 0, 1<<40, 100)
			require.NoError(t, err)
			seqs := map[int64][]int64{}
			for _, r := range records {
				if r.Seq > 0 {
					seqs[r.Conversation] = append(seqs[r.Conversation], r.Seq)
				}
			}
			require.Len(t, seqs, 2)
			for _, of := range seqs {
				require.IsIncreasing(t, of, "records are in the order of sequence numbers")
			}
		})
	}
}

func TestAnInvalidDraftFailsNoOtherSend(t *testing.T) {
	t.Parallel()
	for name, open := range eachDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			alice, bob := db.opened(t, "alice", "bob")
			errs := make([]error, 32)
			var all sync.WaitGroup
			for i := range errs {
				all.Go(func() {
					c, content := alice, "fine"
					if i%2 == 1 {
						c, content = chat.Copy{Kind: chat.OneToOne, ID: alice.ID, Owner: "\x00\xff"}, "\x00\xff"
					}
					_, errs[i] = db.AppendMessage(t.Context(), c, chat.Draft{Content: content})
				})
			}
			all.Wait()
			for i, err := range errs {
				require.Equal(t, i%2 == 1, err != nil, "%d: %v", i, err)
			}
			require.Len(t, db.contents(t, bob), 16)
		})
	}
}

func TestALockedConversationBlocksNoOther(t *testing.T) {
	t.Parallel()
	db := migrated(t, openPostgres)
	held, _ := db.opened(t, "alice", "bob")
	free, _ := db.opened(t, "carol", "bob")
	tx, err := db.sql.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // Rollback does nothing after the commit
	_, err = db.In(tx).AppendMessage(t.Context(), held, chat.Draft{Content: "the host's"})
	require.NoError(t, err)

	const waiting = 20
	errs := make(chan error, waiting)
	for i := range waiting {
		go func() {
			_, err := db.AppendMessage(t.Context(), held, chat.Draft{Content: fmt.Sprint(i)})
			errs <- err
		}()
	}
	// There are more sends than a queue in which each waits for the one before would get through.
	for range waiting {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := db.AppendMessage(ctx, free, chat.Draft{Content: "free"})
		cancel()
		require.NoError(t, err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = db.AppendMessage(impatient, held, chat.Draft{Content: "never"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, errs)

	require.NoError(t, tx.Commit())
	for range waiting {
		require.NoError(t, <-errs)
	}
	got := db.contents(t, held)
	require.Len(t, got, 1+waiting)
	require.Equal(t, "the host's", got[0])
}

func TestNodesThatSendTheSameDraftsStoreEachOnce(t *testing.T) {
	t.Parallel()
	for name, open := range eachDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			nodes := []database{db, db.again(t, bunstore.DefaultPrefix)}
			alice, bob := db.opened(t, "alice", "bob")
			const drafts, times = 20, 4
			sent := make([]chat.Message, drafts*times)
			errs := make([]error, drafts*times)
			var all sync.WaitGroup
			for i := range sent {
				all.Go(func() {
					sent[i], errs[i] = nodes[i%2].AppendMessage(t.Context(), alice, chat.Draft{Content: fmt.Sprint(i / times), ClientID: fmt.Sprint(i / times)})
				})
			}
			all.Wait()
			for i, m := range sent {
				require.NoError(t, errs[i])
				require.Equal(t, sent[i/times*times], m)
			}
			require.Len(t, db.contents(t, bob), drafts)
		})
	}
}
