package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A patch breaks the library in one way that could easily happen by mistake.
type patch struct {
	name string
	// broken says what it breaks.
	broken string
	edits  []edit
}

// An edit replaces a text that occurs exactly once in a file.
type edit struct{ file, text, with string }

// machineTest selects the test that must detect each patch within noticed.
const (
	machineTest = "^TestEverySubscriberOnThreeNodes"
	noticed     = time.Minute
)

var patches = []patch{
	{
		name:   "naive tail",
		broken: "Records are read by WHERE id > last: one that is committed behind a higher id is never read.",
		edits: []edit{
			{"storage/bunstore/tail_postgres.go", `SELECT e.* FROM {events} e WHERE e.xid >= $3::text::xid8
			UNION ALL
			SELECT e.* FROM {events} e WHERE e.xid = ANY ($4::text[]::xid8[]) AND e.xid < $3::text::xid8
		) e ON TRUE ORDER BY e.id` + "`, strconv.FormatUint(l.seen.xmax, 10), list(l.t.Store, l.seen.xip))", `SELECT e.* FROM {events} e WHERE e.id > $3
		) e ON TRUE ORDER BY e.id` + "`, l.high)"},
		},
	},
	{
		name:   "holes given up too soon",
		broken: "A missing id is given up when all that the snapshot knew of have ended, and not all that may have drawn it: xmax is one above the last that ended.",
		edits: []edit{
			{"storage/bunstore/holes_postgres.go", "`SELECT pg_current_xact_id()::text`, nil, &text)", "`SELECT $1::text`, []any{strconv.FormatUint(l.seen.xmax, 10)}, &text)"},
		},
	},
	{
		name:   "resume from memory only",
		broken: "Whoever resumes gets what this node remembers, however far back they come from.",
		edits: []edit{
			{"realtime/attach.go", "if !a.resume || d.window.covers(a.from) {", "if true {"},
			{"realtime/attach.go", "if len(w.missed) > s.queue.limit && from.ID < d.safe.ID {", "if false {"},
		},
	},
	{
		name:   "dispatch before commit",
		broken: "What happened is told on a connection of its own, before it has happened, and also where it never will.",
		edits: []edit{
			{"storage/bunstore/record.go", "	_, err := t.row(ctx, `\n", "	_, err := (&tx{Store: t.Store, conn: t.db.DB}).row(ctx, `\n"},
		},
	},
	{
		name:   "no membership check",
		broken: "Nobody looks whether the recipient was there when it happened.",
		edits: []edit{
			{"realtime/visible.go", "	case r.ID < m.JoinRecord:\n		return nil, false // before they joined\n", ""},
			{"realtime/visible.go", "	case m.EndRecord != 0 && m.EndRecord != r.ID:\n		return nil, false // a former member gets the event of their own end, and no other\n", ""},
		},
	},
	{
		name:   "no recipient check",
		broken: "What concerns one user alone is told to everybody in the conversation.",
		edits: []edit{
			{"realtime/visible.go", "	case r.Recipient != \"\" && r.Recipient != owner:\n		return nil, false\n", ""},
			{"realtime/visible.go", "return nil, r.Recipient == owner", "return nil, true"},
		},
	},
	{
		name:   "cursor behind the message",
		broken: "A client that has a message, and not yet its notification, resumes behind both.",
		edits: []edit{
			{"realtime/visible.go", "	created.Cursor, created.position = d.cursorBefore, d.before\n", ""},
		},
	},
	{
		name:   "cursor above what is open",
		broken: "A position is told of before all that lies below it has ended.",
		edits: []edit{
			{"storage/bunstore/holes_postgres.go", "		safe = l.holes[0].from - 1\n", "		safe = l.high\n"},
		},
	},
}

var root = filepath.Join("..", "..")

// apply applies the patch to a copy of the module in dir.
func (p patch) apply(t *testing.T, dir string) {
	t.Helper()
	for _, e := range p.edits {
		file := filepath.Join(dir, filepath.FromSlash(e.file))
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), e.text), "%s: this must stand once in %s, or the patch be brought up to date:\n%s", p.name, e.file, e.text)
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), e.text, e.with, 1)), 0o600))
	}
}

func TestEveryPatchApplies(t *testing.T) {
	t.Parallel()
	module, err := filepath.Abs(root)
	require.NoError(t, err)
	for _, p := range patches {
		t.Run(p.name, func(t *testing.T) {
			dir := t.TempDir()
			// The format is documented in go help build.
			overlay := struct{ Replace map[string]string }{map[string]string{}}
			packages := []string{"vet", "-overlay", filepath.Join(dir, "overlay.json")}
			for _, e := range p.edits {
				original := filepath.Join(module, filepath.FromSlash(e.file))
				text, err := os.ReadFile(original)
				require.NoError(t, err)
				file := filepath.Join(dir, filepath.FromSlash(e.file))
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
				require.NoError(t, os.WriteFile(file, text, 0o600))
				overlay.Replace[original] = file
				packages = append(packages, "./"+path.Dir(e.file))
			}
			p.apply(t, dir)
			text, err := json.Marshal(overlay)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o600))
			build := exec.CommandContext(t.Context(), "go", packages...)
			build.Dir = module
			said, err := build.CombinedOutput()
			require.NoError(t, err, "%s", said)
		})
	}
}

func TestEveryPatchIsDetectedWithinAMinute(t *testing.T) {
	if !tortured() {
		t.Skip("it builds the module again for each patch: run make torture")
	}
	t.Run("nothing broken", func(t *testing.T) {
		output, err := runCopy(t, patch{})
		require.NoError(t, err, "%s", output)
	})
	for _, p := range patches {
		t.Run(p.name, func(t *testing.T) {
			output, err := runCopy(t, p)
			var failed *exec.ExitError
			require.ErrorAs(t, err, &failed, "nobody noticed: %s\n%s", p.broken, output)
			require.Contains(t, output, "--- FAIL: ", "%v", err)
			require.NotContains(t, output, "panic: test timed out")
		})
	}
}

// runCopy builds a patched copy of the module, runs the state machine there for at most a minute,
// and returns the output.
func runCopy(t *testing.T, p patch) (output string, err error) {
	t.Helper()
	dir := t.TempDir()
	copyModule(t, dir)
	p.apply(t, dir)
	here := filepath.Join(dir, "internal", "torture")
	built := filepath.Join(dir, "torture.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", built, ".")
	build.Dir = here
	said, err := build.CombinedOutput()
	require.NoError(t, err, "%s: the copy does not build:\n%s", p.name, said)

	ctx, cancel := context.WithTimeout(t.Context(), noticed+patience)
	defer cancel()
	run := exec.CommandContext(ctx, built, "-test.run", machineTest, "-rapid.nofailfile", "-rapid.shrinktime", "0s")
	run.Dir = here
	run.Env = append(os.Environ(), "BUDDYCHAT_TORTURE="+(noticed-patience).String(), "BUDDYCHAT_REQUIRE_POSTGRES=1")
	var both bytes.Buffer
	run.Stdout, run.Stderr = &both, &both
	began := time.Now()
	err = run.Run()
	if took := time.Since(began); err != nil {
		t.Logf("%s: noticed after %s", p.name, took.Round(time.Millisecond))
		require.Less(t, took, noticed)
	}
	return both.String(), err
}

// copyModule copies the files that the build of the module needs.
func copyModule(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		switch {
		case rel == ".":
			return nil
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || rel == "examples"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) { // another process removed a temporary file
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), text, 0o600)
	}))
}
