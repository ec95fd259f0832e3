package memory_test

import (
	"context"
	"testing"
	"time"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/storage/storagetest"
)

var _ buddychat.Store = (*memory.Store)(nil)

func TestStorePassesTheSuite(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{
		New: func(_ testing.TB, now func() time.Time) buddychat.Store {
			return memory.New(&memory.Options{Now: now})
		},
		Tx: func(_ context.Context, store buddychat.Store, act func(buddychat.Store) error) error {
			tx := store.(*memory.Store).Begin()
			defer tx.Rollback() //nolint:errcheck // does nothing after the commit
			if err := act(tx); err != nil {
				return err
			}
			return tx.Commit()
		},
	})
}
