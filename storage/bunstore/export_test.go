package bunstore

import (
	"context"
	"io/fs"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// MigrateFiles is Migrate with other migration files.
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

// Sent is the outcome of one message of a batch.
type Sent struct {
	Message chat.Message
	Err     error
	Alone   bool
}

// AppendBatch sends the messages in one batch.
func (s *Store) AppendBatch(ctx context.Context, copies []chat.Copy, drafts []chat.Draft) []Sent {
	batch := make([]*pendingSend, len(copies))
	for i, c := range copies {
		batch[i] = &pendingSend{copy: c, draft: drafts[i]}
	}
	s.appendTogether(ctx, batch)
	sent := make([]Sent, len(batch))
	for i, p := range batch {
		sent[i] = Sent{p.message, p.err, p.alone}
	}
	return sent
}

// Numbered returns the statement with the placeholders that SQLite gets.
func Numbered(statement string) string { return numbered(statement) }
