package transportws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

var expired = &CloseError{Code: CodeForbidden, Reason: "Forbidden"}

// ending is a handler whose session ends when the function is called.
func ending(operation func(context.Context, Payload, func(json.RawMessage, error) bool)) (h handler, end context.CancelCauseFunc) {
	var cancel context.CancelCauseFunc
	h.init = func(ctx context.Context, _ json.RawMessage) (context.Context, json.RawMessage, error) {
		ctx, cancel = context.WithCancelCause(ctx)
		return ctx, nil, nil
	}
	h.operation = operation
	return h, func(cause error) { cancel(cause) }
}

func TestTheEndOfASessionClosesTheSocketWithoutFramesForItsOperations(t *testing.T) {
	t.Parallel()
	for name, operation := range map[string]func(context.Context, Payload, func(json.RawMessage, error) bool){
		"ends in silence": forever,
		"yields the cause": func(ctx context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			<-ctx.Done()
			yield(nil, context.Cause(ctx))
		},
		"yields the context's error": func(ctx context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			<-ctx.Done()
			yield(nil, ctx.Err())
		},
		"takes longer than it may": func(ctx context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			<-ctx.Done()
			time.Sleep(time.Minute)
			yield(raw(`"too late"`), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, w *world) {
				h, end := ending(operation)
				c := w.ready(h)
				c.send(subscribe("1"), subscribe("2"))
				end(expired)
				time.Sleep(3 * time.Second)
				require.Empty(t, c.received(), "an error or a complete frame would end the operation for the client")
				c.requireClosed(4403, "Forbidden")
			})
		})
	}
}

func TestASessionEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		c := w.ready(handler{
			init: func(ctx context.Context, _ json.RawMessage) (context.Context, json.RawMessage, error) {
				ctx, cancel := context.WithDeadlineCause(ctx, time.Now().Add(time.Minute), expired)
				context.AfterFunc(ctx, cancel)
				return ctx, nil, nil
			},
			operation: forever,
		})
		c.send(subscribe("1"))
		time.Sleep(time.Minute - 1)
		c.requireOpen()
		time.Sleep(time.Nanosecond)
		require.Empty(t, c.received())
		c.requireClosed(4403, "Forbidden")
	})
}

func TestASessionThatEndsWithoutACauseClosesWithGoingAway(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		h, end := ending(forever)
		c := w.ready(h)
		c.send(subscribe("1"))
		end(nil)
		require.Empty(t, c.received()) // so that the client subscribes again when it reconnects
		c.requireClosed(1001, "Session ended")
	})
}

func TestAnOperationCanCloseTheSocket(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		c := w.ready(handler{operation: func(ctx context.Context, p Payload, yield func(json.RawMessage, error) bool) {
			if p.OperationName == "close" {
				yield(nil, expired)
				return
			}
			<-ctx.Done()
		}})
		c.send(subscribe("1"))
		require.Empty(t, c.send(`{"id":"2","type":"subscribe","payload":{"query":"","operationName":"close"}}`))
		c.requireClosed(4403, "Forbidden")
	})
}

func TestQueuedFramesAreWrittenBeforeTheSocketCloses(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		h, end := ending(func(ctx context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			_ = yield(raw(`1`), nil) && yield(raw(`2`), nil)
			<-ctx.Done()
		})
		c := w.ready(h)
		resume := c.stall()
		c.send(subscribe("1"))
		end(expired)
		resume()
		require.Equal(t, []string{
			pong,
			`{"id":"1","type":"next","payload":1}`,
			`{"id":"1","type":"next","payload":2}`,
		}, c.received())
		c.requireClosed(4403, "Forbidden")
	})
}

func TestASlowConsumerGetsOnlyTheCloseFrame(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{QueueBytes: 1}, func(t *testing.T, w *world) {
		h, end := ending(func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			for yield(raw(`1`), nil) {
			}
		})
		c := w.ready(h)
		resume := c.stall()
		c.send(subscribe("1"))
		end(&CloseError{Code: CodeSlowConsumer, Reason: "slow consumer"})
		synctest.Wait()
		resume()
		require.Equal(t, []string{pong}, c.received()) // it was being written
		c.requireClosed(4008, "slow consumer")
	})
}

func TestASlowConsumerThatReadsNothingIsCut(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(_ *testing.T, w *world) {
		h, end := ending(func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			for yield(raw(`1`), nil) {
			}
		})
		c := w.ready(h)
		resume := c.stall()
		defer resume()
		c.send(subscribe("1"))
		end(&CloseError{Code: CodeSlowConsumer, Reason: "slow consumer"})
		time.Sleep(10 * time.Second)
		c.requireCut()
	})
}

func TestShutdownWritesPendingResultsAndClosesWithGoingAway(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		h := handler{operation: func(ctx context.Context, p Payload, yield func(json.RawMessage, error) bool) {
			if p.OperationName == "mutation" { // shielded from the end of ctx
				time.Sleep(2 * time.Second)
				yield(raw(`"done"`), nil)
				return
			}
			<-ctx.Done()
		}}
		busy, idle, waiting := w.ready(h), w.ready(h), w.connect(h)
		busy.send(subscribe("1"), `{"id":"2","type":"subscribe","payload":{"query":"","operationName":"mutation"}}`)
		start := time.Now()
		require.NoError(t, w.server.Shutdown(t.Context()))
		require.Equal(t, 2*time.Second, time.Since(start))
		// Nothing tells the client that its subscription is over: it must resume it.
		require.Equal(t, []string{`{"id":"2","type":"next","payload":"done"}`, `{"id":"2","type":"complete"}`}, busy.received())
		for _, c := range []*client{busy, idle, waiting} {
			c.requireClosed(1001, "Going away")
		}

		late := w.connect(h)
		late.requireClosed(1001, "Going away")
		require.NoError(t, w.server.Shutdown(t.Context()))
	})
}

func TestShutdownCutsConnectionsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, w *world) {
		release := make(chan struct{})
		c := w.ready(handler{operation: func(context.Context, Payload, func(json.RawMessage, error) bool) { <-release }})
		c.send(subscribe("1"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.server.Shutdown(ctx), context.DeadlineExceeded)
		c.requireCut()
		// the operation still runs
		require.ErrorIs(t, w.server.Shutdown(ctx), context.DeadlineExceeded)
		close(release)
		require.NoError(t, w.server.Shutdown(t.Context()))
	})
}

func TestASlowReaderDoesNotDelayShutdownBeyondTheTimeout(t *testing.T) {
	t.Parallel()
	inBubble(t, &Options{QueueBytes: 1}, func(t *testing.T, w *world) {
		c := w.ready(handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			for yield(raw(`1`), nil) {
			}
		}})
		resume := c.stall()
		defer resume()
		c.send(subscribe("1"), subscribe("2"))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.ErrorIs(t, w.server.Shutdown(ctx), context.DeadlineExceeded)
		synctest.Wait()
		require.NoError(t, w.server.Shutdown(t.Context()))
		c.requireCut()
	})
}

func TestARunningInitIsCancelled(t *testing.T) {
	t.Parallel()
	var log recorder
	inBubble(t, &Options{Logger: log.logger()}, func(t *testing.T, w *world) {
		c := w.connect(handler{init: func(ctx context.Context, _ json.RawMessage) (context.Context, json.RawMessage, error) {
			<-ctx.Done()
			return nil, nil, errors.New("interrupted")
		}})
		c.send(`{"type":"connection_init"}`)
		require.NoError(t, w.server.Shutdown(t.Context()))
		c.requireClosed(1001, "Going away")
		require.NotContains(t, log.String(), "interrupted")
	})
}

func TestCloseFramesHaveValidCodesAndReasons(t *testing.T) {
	t.Parallel()
	for _, code := range []int{-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000} {
		got, _ := closeFrame(&CloseError{Code: code})
		require.Equal(t, CodeInternal, got, code)
	}
	for _, code := range []int{1000, 1001, 1003, 1007, 1014, 3000, 4403, 4999} {
		got, _ := closeFrame(&CloseError{Code: code})
		require.Equal(t, code, got)
	}
	for _, reason := range []string{strings.Repeat("x", 123), strings.Repeat("x", 124), "x" + strings.Repeat("é", 100), strings.Repeat("x\xff", 100)} {
		_, got := closeFrame(&CloseError{Reason: reason})
		require.LessOrEqual(t, len(got), 123)
		require.GreaterOrEqual(t, len(got), 121)
		require.True(t, utf8.ValidString(got))
	}
}

// recorder records log messages.
type recorder struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recorder) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}
