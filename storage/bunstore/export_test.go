package bunstore

import (
	"context"
	"io/fs"

	"github.com/buddychat/buddychat/user"
)

// MigrateFiles is Migrate with other migrations.
func (s *Store) MigrateFiles(ctx context.Context, files fs.FS) error { return s.migrate(ctx, files) }

// EraseAccount is the part of EraseUser that removes the account.
func (s *Store) EraseAccount(ctx context.Context, id user.ID) error {
	return s.act(ctx, func(t *tx) error { return t.eraseAccount(ctx, id) })
}
