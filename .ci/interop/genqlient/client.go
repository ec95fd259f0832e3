package main

import (
	"context"
	"net/http"

	"github.com/Khan/genqlient/graphql"
	"github.com/gorilla/websocket"
)

//go:generate go tool genqlient

// authorized adds the access token to every request.
type authorized struct{ token string }

func (a authorized) Do(r *http.Request) (*http.Response, error) {
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	return http.DefaultClient.Do(r)
}

// httpClient returns the client for queries and mutations, with token "" for nobody.
func httpClient(url, token string) graphql.Client { return graphql.NewClient(url, authorized{token}) }

// dialer is gorilla's, as genqlient wants it.
type dialer struct{}

func (dialer) DialContext(ctx context.Context, url string, header http.Header) (graphql.WSConn, error) {
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, url, header)
	return conn, err
}

// socketClient returns the client for subscriptions, at ws:// or wss://.
func socketClient(url, token string) graphql.WebSocketClient {
	return graphql.NewClientUsingWebSocket(url, dialer{}, graphql.WithConnectionParams(map[string]any{"token": token}))
}

// follow calls each for every event after the cursor, until ctx ends or the socket does. Then refresh the login
// where the error is a *websocket.CloseError of code 4403, and follow again after the last cursor.
func follow(ctx context.Context, url, token, after string, each func(EventsEventsEvent)) error {
	client := socketClient(url, token)
	failed, err := client.Start(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	events, _, err := Events(ctx, client, after)
	if err != nil {
		return err
	}
	for {
		select {
		case e, open := <-events:
			switch {
			case !open:
				return nil
			case len(e.Errors) > 0:
				return e.Errors
			}
			each(e.Data.Events)
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
