package transportws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryViolationClosesWithItsCode(t *testing.T) {
	t.Parallel()
	const init = `{"type":"connection_init"}`
	long := strings.Repeat("é", 100)
	for name, test := range map[string]struct {
		messages []any
		code     int
		reason   string
	}{
		"not JSON":                          {[]any{`{"type"`}, 4400, "Invalid message: message is not a JSON object"},
		"empty":                             {[]any{``}, 4400, "Invalid message: message is not a JSON object"},
		"two values":                        {[]any{`{"type":"ping"}{"type":"ping"}`}, 4400, "Invalid message: message is not a JSON object"},
		"not UTF-8":                         {[]any{"{\"type\":\"ping\",\"a\":\"\xff\"}"}, 4400, "Invalid message: message is not UTF-8"},
		"binary":                            {[]any{errBinary}, 4400, "Invalid message: message is binary"},
		"a list":                            {[]any{`[]`}, 4400, "Invalid message: message is not a JSON object"},
		"null":                              {[]any{`null`}, 4400, "Invalid message: message is not a JSON object"},
		"no type":                           {[]any{`{}`}, 4400, "Invalid message: type must be a string"},
		"a number as type":                  {[]any{`{"type":1}`}, 4400, "Invalid message: type must be a string"},
		"Type for type":                     {[]any{`{"Type":"ping"}`}, 4400, "Invalid message: type must be a string"},
		"an unknown type":                   {[]any{`{"type":"start"}`}, 4400, "Invalid message: unknown type: a client sends connection_init, subscribe, complete, ping or pong"},
		"a list as payload of init":         {[]any{`{"type":"connection_init","payload":[]}`}, 4400, "Invalid message: payload must be an object"},
		"a string as payload of ping":       {[]any{`{"type":"ping","payload":"x"}`}, 4400, "Invalid message: payload must be an object"},
		"a number as payload of pong":       {[]any{`{"type":"pong","payload":1}`}, 4400, "Invalid message: payload must be an object"},
		"complete without id":               {[]any{`{"type":"complete"}`}, 4400, "Invalid message: id must be a string of 1 to 254 bytes"},
		"subscribe without id":              {[]any{init, `{"type":"subscribe","payload":{"query":"{me}"}}`}, 4400, "Invalid message: id must be a string of 1 to 254 bytes"},
		"an empty id":                       {[]any{init, subscribe("")}, 4400, "Invalid message: id must be a string of 1 to 254 bytes"},
		"a number as id":                    {[]any{init, `{"id":1,"type":"subscribe","payload":{"query":"{me}"}}`}, 4400, "Invalid message: id must be a string of 1 to 254 bytes"},
		"an id too long":                    {[]any{init, subscribe(strings.Repeat("x", 255))}, 4400, "Invalid message: id must be a string of 1 to 254 bytes"},
		"subscribe without payload":         {[]any{init, `{"id":"1","type":"subscribe"}`}, 4400, "Invalid message: payload must be an object"},
		"subscribe without query":           {[]any{init, `{"id":"1","type":"subscribe","payload":{}}`}, 4400, "Invalid message: payload.query must be a string"},
		"a list as query":                   {[]any{init, `{"id":"1","type":"subscribe","payload":{"query":[]}}`}, 4400, "Invalid message: payload.query must be a string"},
		"a number as operationName":         {[]any{init, `{"id":"1","type":"subscribe","payload":{"query":"","operationName":1}}`}, 4400, "Invalid message: payload.operationName must be a string"},
		"a list as variables":               {[]any{init, `{"id":"1","type":"subscribe","payload":{"query":"","variables":[]}}`}, 4400, "Invalid message: payload.variables must be an object"},
		"a string as extensions":            {[]any{init, `{"id":"1","type":"subscribe","payload":{"query":"","extensions":""}}`}, 4400, "Invalid message: payload.extensions must be an object"},
		"deep nesting":                      {[]any{`{"type":"ping","payload":` + strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_000) + `}`}, 4400, "Invalid message: message is not a JSON object"},
		"too big":                           {[]any{`{"type":"ping","a":"` + strings.Repeat("x", 256<<10) + `"}`}, 1009, "Message too big: at most 262144 bytes are allowed"},
		"subscribe before init":             {[]any{subscribe("1")}, 4401, "Unauthorized"},
		"a second init":                     {[]any{init, init}, 4429, "Too many initialisation requests"},
		"an id in use":                      {[]any{init, subscribe("1"), subscribe("1")}, 4409, "Subscriber for 1 already exists"},
		"an id in use, escaped differently": {[]any{init, subscribe("a"), subscribe(`\u0061`)}, 4409, "Subscriber for a already exists"},
		"a long id in use":                  {[]any{init, subscribe(long), subscribe(long)}, 4409, "Subscriber for " + long[:80] + " already exists"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, w *world) {
				c := w.connect(handler{operation: forever})
				c.send(test.messages...)
				require.LessOrEqual(t, len(test.reason), maxReasonBytes)
				c.requireClosed(test.code, test.reason)
			})
		})
	}
}

func TestEveryFrameInEveryState(t *testing.T) {
	t.Parallel()
	// The expected result of each frame: a frame from the server, "" for none, or a close code.
	frames := map[string]string{
		"init":      `{"type":"connection_init"}`,
		"ping":      `{"type":"ping"}`,
		"pong":      `{"type":"pong"}`,
		"subscribe": subscribe("2"),
		"complete":  complete("2"),
		"ack":       `{"type":"connection_ack"}`,
		"next":      `{"id":"2","type":"next","payload":{}}`,
		"error":     `{"id":"2","type":"error","payload":[]}`,
	}
	const ack = `{"type":"connection_ack"}`
	for state, answers := range map[string]map[string]any{
		"waiting":      {"init": ack, "ping": pong, "pong": "", "subscribe": 4401, "complete": "", "ack": 4400, "next": 4400, "error": 4400},
		"initialising": {"init": 4429, "ping": pong, "pong": "", "subscribe": 4401, "complete": "", "ack": 4400, "next": 4400, "error": 4400},
		"ready":        {"init": 4429, "ping": pong, "pong": "", "subscribe": "", "complete": "", "ack": 4400, "next": 4400, "error": 4400},
		"subscribed":   {"init": 4429, "ping": pong, "pong": "", "subscribe": 4409, "complete": "", "ack": 4400, "next": 4400, "error": 4400},
		"closing":      {"init": "", "ping": "", "pong": "", "subscribe": "", "complete": "", "ack": "", "next": "", "error": ""},
	} {
		for name, answer := range answers {
			t.Run(state+"/"+name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, nil, func(t *testing.T, w *world) {
					c := w.connect(handler{
						init: func(ctx context.Context, _ json.RawMessage) (context.Context, json.RawMessage, error) {
							if state == "initialising" {
								<-ctx.Done()
							}
							return ctx, nil, ctx.Err()
						},
						operation: func(ctx context.Context, _ Payload, _ func(json.RawMessage, error) bool) {
							<-ctx.Done()
							if state == "closing" { // closing takes the whole drain timeout
								time.Sleep(w.server.opts.DrainTimeout)
							}
						},
					})
					switch state {
					case "initialising", "ready":
						c.send(frames["init"])
					case "subscribed":
						c.send(frames["init"], frames["subscribe"])
					case "closing":
						c.send(frames["init"], subscribe("1"))
						go func() { _ = w.server.Shutdown(t.Context()) }()
					}
					c.received()

					got := c.send(frames[name])
					switch want := answer.(type) {
					case int:
						require.Empty(t, got)
						c.requireClosedWith(want)
					case string:
						require.Equal(t, want, strings.Join(got, "\n"))
						c.requireOpen()
					}
				})
			})
		}
	}
}

func TestPingIsAnsweredWithItsPayload(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		c := w.connect(handler{})
		require.Equal(t, []string{`{"type":"pong","payload":{"a": [1]}}`}, c.send(`{"type":"ping","payload":{"a": [1]}}`))
		require.Equal(t, []string{`{"type":"pong"}`}, c.send(`{"type":"ping","payload":null,"more":{"fields":1}}`))
	})
}

func TestInitGetsThePayloadAndItsAckIsSent(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		type key struct{}
		c := w.connect(handler{
			init: func(ctx context.Context, payload json.RawMessage) (context.Context, json.RawMessage, error) {
				return context.WithValue(ctx, key{}, string(payload)), raw(`{"hello":1}`), nil
			},
			operation: func(ctx context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
				yield(raw(ctx.Value(key{}).(string)), nil)
			},
		})
		require.Equal(t, []string{`{"type":"connection_ack","payload":{"hello":1}}`},
			c.send(`{"type":"connection_init","payload":{"token":"t"}}`))
		require.Equal(t, []string{`{"id":"1","type":"next","payload":{"token":"t"}}`, `{"id":"1","type":"complete"}`}, c.send(subscribe("1")))
	})
}

func TestARefusedInitClosesTheSocket(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		init   func() error
		code   int
		reason string
	}{
		"refused": {func() error { return fmt.Errorf("no: %w", &CloseError{Code: CodeForbidden, Reason: "Forbidden"}) }, 4403, "Forbidden"},
		"failed":  {func() error { return errors.New("database down") }, 1013, "Try again later"},
		"panic":   {func() error { panic("bug") }, 1011, "Internal error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, w *world) {
				c := w.connect(handler{init: func(context.Context, json.RawMessage) (context.Context, json.RawMessage, error) {
					return nil, nil, test.init()
				}})
				require.Empty(t, c.send(`{"type":"connection_init"}`))
				c.requireClosed(test.code, test.reason)
			})
		})
	}
}

func TestASocketWithoutInitIsClosedAfterTheTimeout(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(_ *testing.T, w *world) {
		c := w.connect(handler{})
		time.Sleep(10*time.Second - 1)
		c.requireOpen()
		time.Sleep(time.Nanosecond)
		c.requireClosed(4408, "Connection initialisation timeout")
	})
}

func TestAnInitialisedSocketStaysOpen(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		c := w.ready(handler{})
		time.Sleep(time.Hour)
		c.requireOpen()
		_, pings := c.counts()
		require.EqualValues(t, time.Hour/(25*time.Second), pings)
	})
}

func TestAClientThatDoesNotAnswerPingsIsCut(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(_ *testing.T, w *world) {
		c := w.ready(handler{})
		c.goDeaf()
		time.Sleep(35*time.Second - 1)
		c.requireOpen()
		time.Sleep(time.Nanosecond)
		c.requireCut()
	})
}

func TestPingsCanBeDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{PingInterval: -1}, func(t *testing.T, w *world) {
		c := w.ready(handler{})
		time.Sleep(time.Hour)
		_, pings := c.counts()
		require.Zero(t, pings)
	})
}

func TestExceedingTheMessageRateClosesTheSocket(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{MessageRate: 2, MessageBurst: 3}, func(t *testing.T, w *world) {
		c := w.connect(handler{})
		require.Len(t, c.send(`{"type":"connection_init"}`, `{"type":"ping"}`, `{"type":"ping"}`), 3)
		time.Sleep(500 * time.Millisecond)
		require.Len(t, c.send(`{"type":"ping"}`), 1)
		require.Empty(t, c.send(`{"type":"ping"}`))
		c.requireClosed(1008, "Too many messages: at most 2 a second are allowed")
	})
}

func TestTheMessageRateCanBeDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{MessageRate: -1}, func(_ *testing.T, w *world) {
		c := w.ready(handler{})
		for range 2_000 {
			c.in <- []byte(`{"type":"pong"}`)
		}
		c.requireOpen()
	})
}

func TestWhenTheClientLeavesEverythingEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		var ended int
		c := w.ready(handler{
			init: func(ctx context.Context, _ json.RawMessage) (context.Context, json.RawMessage, error) {
				context.AfterFunc(ctx, func() { ended++ })
				return nil, nil, nil
			},
			operation: forever,
		})
		c.send(subscribe("1"), subscribe("2"))
		c.CloseNow()
		synctest.Wait()
		require.Equal(t, 1, ended)
		require.Empty(t, w.server.sockets)
	})
}
