package bunstore

import (
	"context"
	"io/fs"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// MigrateFiles is Migrate with other migrations.
func (s *Store) MigrateFiles(ctx context.Context, files fs.FS) error {
	all, err := readMigrations(files)
	if err != nil {
		return err
	}
	return s.migrate(ctx, all)
}

// EraseAccount is the part of EraseUser that removes the account.
func (s *Store) EraseAccount(ctx context.Context, id user.ID) error {
	return s.act(ctx, func(t *tx) error { return t.eraseAccount(ctx, id) })
}

// Sent is what became of a message of a batch.
type Sent struct {
	Message chat.Message
	Err     error
	Alone   bool
}

// AppendBatch sends messages as those of one batch.
func (s *Store) AppendBatch(ctx context.Context, copies []chat.Copy, drafts []chat.Draft) []Sent {
	batch := make([]*sending, len(copies))
	for i, c := range copies {
		batch[i] = &sending{copy: c, draft: drafts[i]}
	}
	s.appendTogether(ctx, batch)
	sent := make([]Sent, len(batch))
	for i, w := range batch {
		sent[i] = Sent{w.message, w.err, w.alone}
	}
	return sent
}

// Numbered is what becomes of the placeholders of a statement on SQLite.
func Numbered(statement string) string { return numbered(statement) }
