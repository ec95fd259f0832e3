package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// patience is how long a request is retried before the run fails.
	patience = time.Minute
	// attemptTimeout limits one attempt.
	attemptTimeout = 10 * time.Second
	// breath is the pause between two attempts.
	breath = 50 * time.Millisecond
)

// An api sends GraphQL requests to the nodes of a cluster over HTTP.
type api struct {
	nodes *cluster
	http  *http.Client
}

func newAPI(nodes *cluster, connections int) *api {
	return &api{nodes: nodes, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}}
}

// A refusal is an error that every node would answer.
type refusal struct{ code, message string }

func (r refusal) Error() string { return r.code + ": " + r.message }

// refused reports whether err is NOT_FOUND or CONFLICT. A retry gets these if the first attempt
// succeeded but its answer was lost.
func refused(err error) bool {
	var r refusal
	return errors.As(err, &r) && (r.code == "NOT_FOUND" || r.code == "CONFLICT")
}

// ask sends a request to one node after another until one answers, and decodes the answer into
// data. The request may thus be executed twice, unless it is idempotent.
func (a *api) ask(ctx context.Context, token, query string, variables map[string]any, data any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := errors.New("no node is up")
		if node := a.nodes.any(); node != "" {
			err = a.askOne(ctx, node, token, body, data)
		}
		var final refusal
		if err == nil || errors.As(err, &final) {
			return err
		}
		select {
		case <-time.After(breath):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (a *api) askOne(ctx context.Context, node, token string, body []byte, data any) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, node+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", response.Status, err)
	}
	if len(answer.Errors) == 0 {
		return json.Unmarshal(answer.Data, data)
	}
	if first := answer.Errors[0]; first.Extensions.Code != "INTERNAL" {
		return refusal{first.Extensions.Code, first.Message}
	}
	return errors.New("a node has an internal error")
}
