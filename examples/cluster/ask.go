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
	// patience is how long something is tried that some node should be able to do.
	patience = time.Minute
	// attemptTimeout is for one attempt.
	attemptTimeout = 10 * time.Second
	// breath is what lies between two attempts.
	breath = 50 * time.Millisecond
)

// An api asks the nodes of a cluster over HTTP.
type api struct {
	nodes *cluster
	http  *http.Client
}

func newAPI(nodes *cluster, connections int) *api {
	return &api{nodes: nodes, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}}
}

// A refusal is an answer that would be the same from every node.
type refusal struct{ code, message string }

func (r refusal) Error() string { return r.code + ": " + r.message }

// refused reports whether err says that something is not there, or is as it should be already: what a second attempt is told of which the first
// succeeded without an answer.
func refused(err error) bool {
	var r refusal
	return errors.As(err, &r) && (r.code == "NOT_FOUND" || r.code == "CONFLICT")
}

// ask asks one node after another until one answers, and reads the data of the answer into data. So what is asked may be done twice, unless it can be
// done only once.
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
