package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// on returns the receipts for a string of events, one letter each. A | starts a new connection.
func on(events string) (received []receipt) {
	for i, connection := range strings.Split(events, "|") {
		for _, e := range connection {
			received = append(received, receipt{i + 1, string(e)})
		}
	}
	return received
}

func TestVerdictCountsKeptAndBrokenPromises(t *testing.T) {
	t.Parallel()
	histories := []history{
		{events: strings.Split("abcdef", ""), shown: map[string][]span{
			"stays": {{from: 0, to: 6}},
			"goes":  {{from: 1, to: 5, ended: true}},                                // bcde
			"turns": {{from: 0, to: 3, ended: true}, {from: 4, to: 6}},              // abc, ef
			"short": {{from: 0, to: 2, ended: true}, {from: 3, to: 5, ended: true}}, // ab, de
		}},
		{events: strings.Split("xyz", ""), shown: map[string][]span{"stays": {{from: 0, to: 3}}}},
	}
	for _, c := range []struct {
		name, owner, received string
		want                  verdict
	}{
		{"every event arrives", "stays", "abcdefxyz", verdict{delivered: 9}},
		{"conversations have no order between them", "stays", "xaybczdef", verdict{delivered: 9}},
		{"a resume continues", "stays", "abcx|defyz", verdict{delivered: 9}},
		{"a resume repeats", "stays", "abcx|bcdxefyz", verdict{delivered: 9, repeated: 3}},
		{"two resumes repeat", "stays", "abxyz|ab|abcdef", verdict{delivered: 9, repeated: 4}},

		{"a gap", "stays", "abdefxyz", verdict{delivered: 8, missed: 1}},
		{"a gap at a resume", "stays", "abxyz|def", verdict{delivered: 8, missed: 1}},
		{"a gap at the end", "stays", "abcdexyz", verdict{delivered: 8, missed: 1}},
		{"nothing", "stays", "", verdict{missed: 9}},
		{"an inversion", "stays", "acbdefxyz", verdict{delivered: 9, outOfOrder: 1}},
		{"an inversion across a resume", "stays", "acxyz|bdef", verdict{delivered: 9, outOfOrder: 1}},
		{"a duplicate", "stays", "abcddefxyz", verdict{delivered: 9, duplicated: 1}},
		{"a late duplicate", "stays", "abcdefxyza", verdict{delivered: 9, duplicated: 1}},
		{"a duplicate after a new event", "stays", "abcxyz|dcef", verdict{delivered: 9, duplicated: 1}},
		{"a duplicate within a resume", "stays", "abcxyz|ccdef", verdict{delivered: 9, repeated: 1, duplicated: 1}},
		{"an unknown event", "stays", "abcdefxyz?", verdict{delivered: 9, leaked: 1}},

		{"a member joins and leaves", "goes", "bcde", verdict{delivered: 4}},
		{"removed before the last events arrive", "goes", "be", verdict{delivered: 2, withheld: 2}},
		{"only the end arrives", "goes", "|e", verdict{delivered: 1, withheld: 3}},
		{"the end is missing", "goes", "bcd", verdict{delivered: 3, missed: 1}},
		{"an event is missing, but not the last", "goes", "bde", verdict{delivered: 3, missed: 1}},
		{"an event from before the join", "goes", "abcde", verdict{delivered: 4, leaked: 1}},
		{"an event from after the end", "goes", "bcdef", verdict{delivered: 4, leaked: 1}},
		{"an event of another conversation", "goes", "bcdex", verdict{delivered: 4, leaked: 1}},
		{"a stranger", "nobody", "a", verdict{leaked: 1}},

		{"a member returns", "turns", "abcef", verdict{delivered: 5}},
		{"a member returns while disconnected", "turns", "a|cef", verdict{delivered: 4, withheld: 1}},
		{"an event from between two memberships", "turns", "abcdef", verdict{delivered: 5, leaked: 1}},
		{"the second join is missing", "turns", "abcf", verdict{delivered: 4, missed: 1}},
		{"only the ends arrive", "short", "be", verdict{delivered: 2, withheld: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, check(histories, []device{{c.owner, on(c.received)}}))
		})
	}
}

func TestBadVerdictIsAnError(t *testing.T) {
	t.Parallel()
	require.NoError(t, verdict{delivered: 1, repeated: 1, withheld: 1}.err())
	require.EqualError(t, verdict{delivered: 1, missed: 1, leaked: 2}.err(), "promises were broken: 1 missed, 2 leaked")
	for _, v := range []verdict{{delivered: 1, outOfOrder: 1}, {delivered: 1, duplicated: 1}, {}} {
		require.Error(t, v.err())
	}
}
