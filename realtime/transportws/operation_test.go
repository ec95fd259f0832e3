package transportws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestResultsAreSentVerbatim(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		var got Payload
		c := w.ready(handler{operation: func(_ context.Context, p Payload, yield func(json.RawMessage, error) bool) {
			got = p
			_ = yield(raw(`{"data": {"n":1e2}}`), nil) && yield(raw(`{"data":null}`), nil)
		}})
		frames := c.send(`{"id":"\u0061/\/","extra":1,"type":"subscribe","payload":
			{"query":"query A{a}","operationName":"A","variables":{"x" : [1]},"extensions":{"y":2},"z":0}}`)
		require.Equal(t, []string{
			`{"id":"\u0061/\/","type":"next","payload":{"data": {"n":1e2}}}`,
			`{"id":"\u0061/\/","type":"next","payload":{"data":null}}`,
			`{"id":"\u0061/\/","type":"complete"}`,
		}, frames)
		require.Equal(t, Payload{Query: "query A{a}", OperationName: "A", Variables: raw(`{"x" : [1]}`), Extensions: raw(`{"y":2}`)}, got)
	})
}

func TestTheLastFrameSaysHowAnOperationEnded(t *testing.T) {
	t.Parallel()
	const internal = `{"id":"1","type":"error","payload":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}`
	for name, test := range map[string]struct {
		end  func(yield func(json.RawMessage, error) bool)
		want string
	}{
		"by itself": {func(func(json.RawMessage, error) bool) {}, `{"id":"1","type":"complete"}`},
		"with errors": {func(yield func(json.RawMessage, error) bool) {
			yield(nil, fmt.Errorf("wrapped: %w", &OperationError{Errors: raw(`[{"message":"no"}]`)}))
		}, `{"id":"1","type":"error","payload":[{"message":"no"}]}`},
		"without a list of errors": {func(yield func(json.RawMessage, error) bool) { yield(nil, &OperationError{}) }, internal},
		"with a failure":           {func(yield func(json.RawMessage, error) bool) { yield(nil, errors.New("secret")) }, internal},
		"with a panic":             {func(func(json.RawMessage, error) bool) { panic("secret") }, internal},
		"with a yield after an error": {func(yield func(json.RawMessage, error) bool) {
			yield(nil, errors.New("secret"))
			yield(nil, nil)
		}, internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, w *world) {
				c := w.ready(handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
					if yield(raw(`1`), nil) {
						test.end(yield)
					}
				}})
				for range 2 { // the id is free again
					require.Equal(t, []string{`{"id":"1","type":"next","payload":1}`, test.want}, c.send(subscribe("1")))
				}
				c.requireOpen()
			})
		})
	}
}

func TestOperationsRunConcurrently(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		proceed := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}
		c := w.ready(handler{operation: func(_ context.Context, p Payload, yield func(json.RawMessage, error) bool) {
			<-proceed[p.OperationName]
			yield(raw(`1`), nil)
		}})
		for _, name := range []string{"a", "b"} {
			c.send(`{"id":"` + name + `","type":"subscribe","payload":{"query":"","operationName":"` + name + `"}}`)
		}
		close(proceed["b"])
		require.Equal(t, []string{`{"id":"b","type":"next","payload":1}`, `{"id":"b","type":"complete"}`}, c.received())
		close(proceed["a"])
		require.Equal(t, []string{`{"id":"a","type":"next","payload":1}`, `{"id":"a","type":"complete"}`}, c.received())
	})
}

func TestNothingIsWrittenAfterTheClientsComplete(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		var ended error
		c := w.ready(handler{operation: func(ctx context.Context, p Payload, yield func(json.RawMessage, error) bool) {
			if p.OperationName == "second" {
				yield(raw(`"second"`), nil)
				return
			}
			for i := range 3 {
				yield(raw(fmt.Sprint(i)), nil)
			}
			<-ctx.Done()
			ended = context.Cause(ctx)
			yield(raw(`"too late"`), nil)
		}})
		resume := c.stall()
		c.send(subscribe("1"))    // its results wait
		c.send(complete("1"))     // and are dropped
		c.send(complete("1"))     // it may be sent twice
		c.send(`{"type":"ping"}`) // a frame of no operation stays
		c.send(`{"id":"1","type":"subscribe","payload":{"query":"","operationName":"second"}}`)
		resume()
		require.Equal(t, []string{
			pong, pong,
			`{"id":"1","type":"next","payload":"second"}`,
			`{"id":"1","type":"complete"}`,
		}, c.received())
		require.ErrorIs(t, ended, context.Canceled)
		c.requireOpen()
	})
}

func TestOneOperationOverTheLimitGetsAnError(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{MaxOperations: 2, OverLimit: raw(`[{"message":"enough"}]`)}, func(t *testing.T, w *world) {
		end := make(chan struct{})
		c := w.ready(handler{operation: func(ctx context.Context, _ Payload, _ func(json.RawMessage, error) bool) {
			<-ctx.Done()
			<-end // it takes a while to end
		}})
		enough := []string{`{"id":"x","type":"error","payload":[{"message":"enough"}]}`}
		require.Empty(t, c.send(subscribe("1"), subscribe("2")))
		require.Equal(t, enough, c.send(subscribe("x")))

		// A completed operation makes room at once,
		require.Empty(t, c.send(complete("1"), subscribe("3")))
		require.Empty(t, c.send(complete("2"), subscribe("4")))
		// but only for a limited number that does not end.
		require.Equal(t, enough, c.send(complete("3"), subscribe("x")))
		close(end)
		synctest.Wait()
		require.Empty(t, c.send(subscribe("x")))
		c.requireOpen()
	})
}

func TestQueuedFramesGoOutInOneWrite(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		c := w.ready(handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			for range 100 {
				yield(raw(`1`), nil)
			}
		}})
		before, _ := c.counts()
		resume := c.stall()
		c.send(subscribe("1"))
		resume()
		// including the pong that the others waited for, and the complete frame
		require.Len(t, c.received(), 102)
		after, _ := c.counts()
		require.Equal(t, 2, after-before)
	})
}

func TestASlowReaderIsCutAndDelaysNoOtherSocket(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{QueueBytes: 1_000}, func(t *testing.T, w *world) {
		yielded := 0
		slow := w.ready(handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			for yield(raw(`"0123456789"`), nil) {
				yielded++
			}
		}})
		resume := slow.stall()
		defer resume()
		slow.send(subscribe("1"))
		require.Less(t, yielded, 30) // memory is bounded, too

		other := w.ready(handler{})
		require.Equal(t, []string{`{"id":"1","type":"complete"}`}, other.send(subscribe("1")))

		time.Sleep(10*time.Second - 1)
		slow.requireOpen()
		time.Sleep(time.Nanosecond)
		slow.requireCut()
		require.Empty(t, slow.received())
		require.Len(t, w.server.sockets, 1)
		other.requireOpen()
	})
}

func TestAResultLargerThanTheQueueIsAccepted(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{QueueBytes: 10}, func(t *testing.T, w *world) {
		c := w.ready(handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			_ = yield(raw(`"0123456789"`), nil) && yield(raw(`"abcdefghij"`), nil)
		}})
		require.Len(t, c.send(subscribe("1")), 3)
	})
}

func TestACompleteReleasesAnOperationBlockedByASlowReader(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{QueueBytes: 1}, func(t *testing.T, w *world) {
		ended := false
		c := w.ready(handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			for yield(raw(`1`), nil) {
			}
			ended = true
		}})
		resume := c.stall()
		c.send(subscribe("1"))
		require.False(t, ended)
		c.send(complete("1"))
		require.True(t, ended)
		resume()
		require.Equal(t, []string{pong}, c.received())
	})
}

func TestPanicsAreLoggedAndHiddenFromClients(t *testing.T) {
	t.Parallel()
	var log recorder
	inBubble(t, &Options{Logger: log.logger()}, func(t *testing.T, w *world) {
		c := w.ready(handler{operation: func(context.Context, Payload, func(json.RawMessage, error) bool) { panic("oops") }})
		c.send(subscribe("1"))
		synctest.Wait()
		require.Contains(t, log.String(), "oops")
		require.Contains(t, log.String(), "operation_test.go")
	})
}

func TestALoneSurrogateIsAnErrorOfItsOperationOnly(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		c := w.ready(handler{operation: forever})
		c.send(subscribe("1"))
		for _, name := range []string{"query", "operationName"} {
			payload := strings.ReplaceAll(`{"query":"{me}","X":"\ud83d"}`, "X", name)
			require.Equal(t, []string{`{"id":"2","type":"error","payload":[{"message":"` + name +
				` must be Unicode: there is half of a surrogate pair in it","extensions":{"code":"BAD_USER_INPUT"}}]}`},
				c.send(`{"id":"2","type":"subscribe","payload":`+payload+`}`), "the id is free again")
		}
		require.Empty(t, c.send(subscribe("2")))
		c.send(complete("1"), complete("2"))
		c.requireOpen()
	})
}

func TestAnExtensionMayReplaceTheQuery(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		c := w.ready(handler{operation: echo})
		for _, query := range []string{``, `"query":null,`} {
			require.Equal(t, []string{
				`{"id":"1","type":"next","payload":{"Query":"","OperationName":"","Variables":null,"Extensions":{"a":1}}}`,
				`{"id":"1","type":"complete"}`,
			}, c.send(`{"id":"1","type":"subscribe","payload":{`+query+`"extensions":{"a":1}}}`))
		}
	})
}

func TestTheMemoryOfALargeResultIsFreeWhenYieldReturns(t *testing.T) {
	t.Parallel()
	large := raw(`"` + strings.Repeat("x", 100_000) + `"`)
	for name, end := range map[string]func(c *client, resume func()){
		"written": func(_ *client, resume func()) { resume() },
		"completed by its client": func(c *client, resume func()) {
			c.send(complete("1"))
			require.Empty(c.t, c.received())
			resume()
		},
		"given up": func(c *client, resume func()) {
			time.Sleep(10 * time.Second) // the write timeout
			c.requireCut()
			resume()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, w *world) {
				var yielded atomic.Bool
				c := w.ready(handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
					yield(large, nil)
					yielded.Store(true)
				}})
				resume := c.stall()
				c.send(subscribe("1"))
				require.False(t, yielded.Load(), "the result is still queued")
				end(c, func() {
					require.Equal(t, name == "given up", yielded.Load())
					resume()
				})
				synctest.Wait()
				require.True(t, yielded.Load())
			})
		})
	}
}

func TestYieldReturnsBeforeASmallResultIsWritten(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		var yielded atomic.Bool
		c := w.ready(handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			yield(raw(`1`), nil)
			yielded.Store(true)
		}})
		resume := c.stall()
		defer resume()
		c.send(subscribe("1"))
		require.True(t, yielded.Load())
	})
}
