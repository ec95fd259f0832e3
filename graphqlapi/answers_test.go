package graphqlapi

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func newTestAnswers(answerBytes, inFlight int) *answers {
	return newAnswers(&Options{MaxAnswerBytes: answerBytes, MaxInFlightBytes: inFlight}, &limits{status: 403})
}

func (a *answers) start(client string) (*budget, context.Context) {
	ctx, stop := context.WithCancel(context.Background())
	return a.begin(client, 0, stop), ctx
}

func code(t *testing.T, refused *budgetError) any {
	t.Helper()
	require.NotNil(t, refused)
	var r *refusal
	require.ErrorAs(t, refused, &r)
	return r.errors[0].Extensions["code"]
}

func TestAnswerSizeIsLimitedExactly(t *testing.T) {
	t.Parallel()
	all := newTestAnswers(1000, 1<<30)
	b, ctx := all.start("user 1")
	require.True(t, b.write(400))
	require.True(t, b.write(600))
	require.NoError(t, ctx.Err())
	require.False(t, b.write(1))
	require.Error(t, ctx.Err(), "execution stops")
	require.False(t, b.write(0), "no more of the answer is written")
	require.Equal(t, codeTooComplex, code(t, b.refusal()))
	require.Contains(t, b.refusal().Error(), "1000 bytes: ask for")
	b.release()
	require.Zero(t, all.held)
}

func TestMemoryOfAllAnswersIsBounded(t *testing.T) {
	t.Parallel()
	const total = 64 << 20
	all := newTestAnswers(1<<30, total)
	share := int64(total / clientShare)
	var held []*budget
	for _, client := range []string{"user 1", "user 2", "user 3", "user 4"} {
		b, _ := all.start(client)
		require.True(t, b.hold(share+freeBytes), client)
		held = append(held, b)
	}
	late, ctx := all.start("user 5")
	require.True(t, late.hold(freeBytes), "a small answer needs no reservation")
	require.NoError(t, ctx.Err())
	require.False(t, late.hold(1<<20))
	require.Error(t, ctx.Err())
	require.Equal(t, codeThrottled, code(t, late.refusal()))
	require.True(t, isOverload(late.refusal()))
	late.release()

	held[0].release()
	held[0].release()
	again, _ := all.start("user 5")
	require.True(t, again.hold(1<<20))
	again.release()
	for _, b := range held[1:] {
		b.release()
	}
	require.Zero(t, all.held)
	require.Empty(t, all.heldByClient)
}

func TestOneClientMayHoldOnlyItsShare(t *testing.T) {
	t.Parallel()
	all := newTestAnswers(1<<30, 64<<20)
	for range 2 {
		b, _ := all.start("user 1")
		require.True(t, b.hold(7<<20))
	}
	over, _ := all.start("user 1")
	require.False(t, over.hold(7<<20))
	require.True(t, isOverload(over.refusal()))
	other, _ := all.start("user 2")
	require.True(t, other.hold(7<<20))

	// An answer that exceeds the client's share is not worth a retry.
	huge, _ := all.start("user 3")
	require.False(t, huge.hold(20<<20))
	require.Equal(t, codeTooComplex, code(t, huge.refusal()))
	require.False(t, isOverload(huge.refusal()))
}

func TestAFinishedAnswerHoldsOnlyUnwrittenBytes(t *testing.T) {
	t.Parallel()
	all := newTestAnswers(1<<30, 1<<30)
	b, _ := all.start("user 1")
	require.True(t, b.write(10<<20))
	require.GreaterOrEqual(t, all.held, int64(executorCopies*10<<20-freeBytes))
	b.finish(11 << 20)
	require.Equal(t, int64(writtenCopies*11<<20-freeBytes), all.held)
	b.release()
	require.Zero(t, all.held)

	small, _ := all.start("user 1")
	small.finish(100)
	require.Zero(t, all.held)
	require.True(t, small.hold(freeBytes))
}

func TestAReleaseWakesWaitingAnswers(t *testing.T) {
	t.Parallel()
	all := newTestAnswers(1<<30, 64<<20)
	all.wait(t.Context()) // returns at once, because no memory is held
	b, _ := all.start("user 1")
	require.True(t, b.hold(8<<20))
	woken := make(chan struct{})
	go func() {
		all.wait(context.Background())
		close(woken)
	}()
	require.Eventually(t, func() bool {
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.freed != nil
	}, 10*time.Second, time.Millisecond)
	b.release()
	<-woken

	held, _ := all.start("user 1")
	require.True(t, held.hold(8<<20))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	all.wait(ctx)
}

func TestBudgetIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	all := newTestAnswers(1<<40, 1<<40)
	b, _ := all.start("user 1")
	var running sync.WaitGroup
	for range 10 {
		running.Go(func() {
			for range 1000 {
				b.write(1000)
			}
		})
	}
	running.Wait()
	require.EqualValues(t, 10_000_000, b.answer.Load())
	require.GreaterOrEqual(t, all.held+freeBytes, int64(executorCopies*10_000_000))
	b.release()
	require.Zero(t, all.held)
}

func TestEncodedLenMatchesTheJSON(t *testing.T) {
	t.Parallel()
	check := func(t require.TestingT, s string) {
		encoded, err := json.Marshal(s)
		require.NoError(t, err)
		require.Equal(t, len(encoded), encodedLen(s), "%q", s)
		asText, err := json.Marshal(newText(s, nil))
		require.NoError(t, err)
		require.Equal(t, string(encoded), string(asText))
	}
	for c := range 256 {
		check(t, "a"+string([]byte{byte(c)})+"b")
	}
	for _, s := range []string{"", "plain", "<&>", "äöü", "\u2028\u2029", "\U0001F600", "\xed\xa0\x80", "a\xff", strings.Repeat("\x01", 100)} {
		check(t, s)
	}
	rapid.Check(t, func(rt *rapid.T) {
		check(rt, rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(rt, "text"))
	})
}

// Every text of a user is charged. A String field of another Go type would bypass the memory
// bounds.
func TestEveryTextOfAUserIsCharged(t *testing.T) {
	t.Parallel()
	// Texts of the server, which have at most a few hundred bytes.
	ours := map[string][]string{
		"eventNode": {"Cursor", "Operation"}, "pageInfo": {"StartCursor", "EndCursor"}, "session": {"Token", "RefreshToken"},
		"phoneNode": {"Number", "CountryCode"}, "edge": {"Cursor"},
	}
	met := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || met[typ] || typ == reflect.TypeFor[userText]() || !strings.HasSuffix(typ.PkgPath(), "graphqlapi") {
			return
		}
		met[typ] = true
		name, _, _ := strings.Cut(typ.Name(), "[")
		for field := range typ.Fields() {
			if !field.IsExported() {
				continue
			}
			plain := field.Type
			if plain.Kind() == reflect.Pointer {
				plain = plain.Elem()
			}
			if plain.Kind() == reflect.String && plain.Name() != "ID" {
				require.True(t, slices.Contains(ours[name], field.Name), "%s.%s is a plain string: make it a userText", typ, field.Name)
			}
			visit(field.Type)
		}
		for _, of := range []reflect.Type{typ, reflect.PointerTo(typ)} {
			for method := range of.Methods() {
				result := method.Type
				if result.NumOut() > 0 {
					require.NotEqual(t, reflect.String, result.Out(0).Kind(), "%s.%s", of, method.Name)
					visit(result.Out(0))
				}
			}
		}
	}
	for _, root := range []reflect.Type{reflect.TypeFor[*queries](), reflect.TypeFor[*mutations](), reflect.TypeFor[*subscriptions]()} {
		for method := range root.Methods() {
			if method.Type.NumOut() > 0 {
				visit(method.Type.Out(0))
			}
		}
	}
	require.True(t, met[reflect.TypeFor[messageNode]()] && met[reflect.TypeFor[groupNode]()] && met[reflect.TypeFor[userNode]()] && met[reflect.TypeFor[notificationNode]()])
}
