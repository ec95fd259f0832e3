// Command genqlient runs the client of docs/clients.md in Go against a server:
//
//	go generate && go run . http://127.0.0.1:8080/graphql
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Println("FAIL", err)
		fmt.Println("genqlient: 0 passed, 1 failed")
		os.Exit(1)
	}
	fmt.Println("genqlient: 1 passed, 0 failed")
}

func run(ctx context.Context, url string) error {
	name := fmt.Sprintf("u%d", rand.Uint64())
	password := fmt.Sprintf("%d-%d", rand.Uint64(), rand.Uint64())
	if _, err := Register(ctx, httpClient(url, ""), name, name+"@example.com", password, fmt.Sprintf("%014d", rand.Int64N(1e14))); err != nil {
		return err
	}
	login, err := Login(ctx, httpClient(url, ""), name, password)
	if err != nil {
		return err
	}
	token := login.Login.Token
	client := httpClient(url, token)
	me, err := Me(ctx, client)
	if err != nil {
		return err
	}
	if me.Me.Username != name || time.Since(me.Me.DateJoined).Abs() > time.Hour {
		return fmt.Errorf("me is %+v", me.Me)
	}
	opened, err := OpenSelfChat(ctx, client)
	if err != nil {
		return err
	}
	for _, content := range []string{"one", "two"} {
		if _, err := Send(ctx, client, opened.CreateSelfChat.Chat.Id, content, content); err != nil {
			return err
		}
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var got []string
	err = follow(ctx, strings.Replace(url, "http", "ws", 1), token, me.EventCursor, func(e EventsEventsEvent) {
		if e.Operation == OperationChatMessageCreated {
			got = append(got, e.ChatMessage.Message.Content)
		}
		if len(got) == 2 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		return err
	}
	if strings.Join(got, " ") != "one two" {
		return fmt.Errorf("got %v", got)
	}
	return nil
}
