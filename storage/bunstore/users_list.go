package bunstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Limits for the cost of a search, in rows.
const (
	// sparseCandidates is up to how many candidates PostgreSQL reads and sorts at once, instead of
	// scanning more users in list order.
	sparseCandidates = 2000
	// maxCandidates is the same limit after a longer scan has found no full page.
	maxCandidates = 100_000
	// maxCounted is how many rows a count reads, and maxCountedUnindexed if no index helps.
	maxCounted          = 50_000
	maxCountedUnindexed = 20_000
	// maxGrams is how many grams of a search are used. More would not improve it.
	maxGrams = 16
)

// scanSizes are how many rows of a list are scanned, one part after another, until a page is full.
// If no index helps, the last part is left out.
var scanSizes = [...]int{500, 5000, 50_000}

// errTooMany refuses a search that would scan too many rows: many names contain parts of the search
// text, and few contain all of it.
func errTooMany() error {
	return storage.Invalid("search", "too many users nearly match this search: enter more of the name")
}

// listedColumns is [userColumns] for the table u.
var listedColumns = "u." + strings.ReplaceAll(userColumns, ", ", ", u.")

// conditions builds a WHERE clause of at least one condition, with its arguments.
type conditions struct {
	all  []string
	args []any
}

// add adds a condition. format has one %s for each value.
func (c *conditions) add(format string, values ...any) {
	places := make([]any, len(values))
	for i, v := range values {
		places[i] = c.arg(v)
	}
	c.all = append(c.all, fmt.Sprintf(format, places...))
}

func (c *conditions) arg(value any) (place string) {
	c.args = append(c.args, value)
	return "$" + strconv.Itoa(len(c.args))
}

func (c *conditions) String() string { return strings.Join(c.all, " AND ") }

// userQuery finds the users u that match a filter, in a range of their numbers.
type userQuery struct {
	*Store
	filter        user.Filter
	words, grams  []string
	after, before int64 // exclusive
	limit         int
	backward      bool
}

func (s *Store) userQuery(f user.Filter, r storage.Range) *userQuery {
	q := &userQuery{Store: s, filter: f, words: f.Words(), after: math.MinInt64, before: math.MaxInt64, limit: r.Limit, backward: r.Backward}
	q.grams = grams(q.words)
	if r.After != nil {
		q.after = r.After.Major
	}
	if r.Before != nil {
		q.before = r.Before.Major
	}
	return q
}

// grams returns the parts of the words that the index is searched by. A name that has all of them
// need not have the words.
func grams(words []string) []string {
	var all []string
	for _, word := range words {
		switch characters := []rune(word); len(characters) {
		case 0, 1:
		case 2, 3:
			all = append(all, word)
		default:
			for i := range len(characters) - 2 {
				all = append(all, string(characters[i:i+3]))
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), maxGrams)]
}

// exact adds the conditions of the filter that compare whole names.
func (q *userQuery) exact(c *conditions) {
	c.all = append(c.all, `TRUE`)
	if q.filter.Username != "" {
		c.add(`u.username_fold = %s`, user.Fold(q.filter.Username))
	}
	for _, name := range []struct{ column, value string }{{"u.first_name_fold", q.filter.FirstName}, {"u.last_name_fold", q.filter.LastName}} {
		if name.value == "" {
			continue
		}
		folded := user.Fold(name.value)
		c.add(`substr(`+name.column+`, 1, 100) = %s AND `+name.column+` = %s`, beginning(folded, 100), folded)
	}
}

func beginning(s string, characters int) string {
	for i := range s {
		if characters--; characters < 0 {
			return s[:i]
		}
	}
	return s
}

func (q *userQuery) hasExact() bool {
	return q.filter.Username != "" || q.filter.FirstName != "" || q.filter.LastName != ""
}

// contains adds the condition that each word is part of a name.
func (q *userQuery) contains(c *conditions) {
	// Not LIKE, in which % and _ are wildcards.
	position := "strpos"
	if q.dialect == SQLite {
		position = "instr"
	}
	for _, word := range q.words {
		place := c.arg(word)
		c.all = append(c.all, fmt.Sprintf("(%[1]s(u.username_fold, %[2]s) > 0 OR %[1]s(u.first_name_fold, %[2]s) > 0 OR %[1]s(u.last_name_fold, %[2]s) > 0)", position, place))
	}
}

// within adds the bounds of the range.
func (q *userQuery) within(c *conditions, number string, after, before int64) {
	if after != math.MinInt64 {
		c.add(number+` > %s`, after)
	}
	if before != math.MaxInt64 {
		c.add(number+` < %s`, before)
	}
}

func (q *userQuery) order(number string) string {
	if q.backward {
		return ` ORDER BY ` + number + ` DESC`
	}
	return ` ORDER BY ` + number
}

// indexed is the condition that the names have all grams, in the form that the PostgreSQL index
// supports.
const indexed = `{user_grams}(ARRAY[u.username_fold COLLATE "C", u.first_name_fold COLLATE "C", u.last_name_fold COLLATE "C"]) @> `

// candidates returns a table u of the users who have all grams, at most limit of them. It is for
// PostgreSQL.
func (q *userQuery) candidates(c *conditions, limit int) string {
	found := conditions{args: c.args}
	found.add(indexed+`%s::text[]`, list(q.Store, q.grams))
	q.exact(&found)
	c.args = found.args
	return `(SELECT u.* FROM {users} u WHERE ` + found.String() + ` LIMIT ` + c.arg(limit) + `) u`
}

// read reads up to limit users from a table u, in list order.
func (q *userQuery) read(ctx context.Context, from, number string, c conditions, limit int) (found []user.User, err error) {
	query := `SELECT ` + listedColumns + ` FROM ` + from + ` WHERE ` + c.String() + q.order(number) + ` LIMIT ` + c.arg(limit)
	err = q.reader().query(ctx, query, c.args, func(rows *sql.Rows) error {
		u, err := scanUser(rows)
		found = append(found, u)
		return err
	})
	return found, err
}

// ListUsers implements [user.Lister]. It reads a bounded number of rows, no matter how many users
// exist.
func (s *Store) ListUsers(ctx context.Context, f user.Filter, r storage.Range) ([]user.User, error) {
	q := s.userQuery(f, r)
	list := q.allUsers()
	var found []user.User
	var err error
	switch {
	case len(q.words) == 0:
		c := list.conditions(q, q.after, q.before)
		found, err = q.read(ctx, list.users, list.number, c, q.limit)
	case len(q.grams) > 0 && s.dialect == PostgreSQL:
		found, err = q.searchByIndex(ctx)
	default:
		found, err = q.searchByList(ctx)
	}
	if err != nil {
		return nil, err
	}
	if r.Backward {
		slices.Reverse(found)
	}
	return found, nil
}

// numberList is a list of users ordered by number, which an index can scan in that order.
type numberList struct {
	list   string // the table of the list
	users  string // the same, joined with the users u
	number string
	where  func(*conditions)
}

func (l numberList) conditions(q *userQuery, after, before int64) conditions {
	var c conditions
	l.where(&c)
	q.within(&c, l.number, after, before)
	return c
}

// allUsers is the list of all users, or of those with the exact names of the filter.
func (q *userQuery) allUsers() numberList {
	return numberList{list: `{users} u`, users: `{users} u`, number: `u.number`, where: q.exact}
}

// usersWithGram is the list of the users whose names have the gram, on SQLite.
func (q *userQuery) usersWithGram(gram string) numberList {
	return numberList{
		list: `{user_grams} g`, users: `{user_grams} g CROSS JOIN {users} u ON u.number = g.number`, number: `g.number`,
		where: func(c *conditions) { c.add(`g.gram = %s`, gram) },
	}
}

// reach returns the number of the given entry, counted from 1 at the start of the range. It returns
// false if the list has fewer entries.
func (q *userQuery) reach(ctx context.Context, l numberList, after, before int64, entries int) (number int64, more bool, err error) {
	c := l.conditions(q, after, before)
	more, err = q.reader().row(ctx, `SELECT `+l.number+` FROM `+l.list+` WHERE `+c.String()+q.order(l.number)+` LIMIT 1 OFFSET `+c.arg(entries-1), c.args, &number)
	return number, more, err
}

// walk scans a list for one page of users, part by part.
type walk struct {
	*userQuery
	along         numberList
	after, before int64 // the range that has not been scanned yet
	found         []user.User
	done          bool // the page is full, or the list has ended
}

func (q *userQuery) walk(l numberList) *walk {
	return &walk{userQuery: q, along: l, after: q.after, before: q.before}
}

// next scans the next rows and reports whether the walk is done.
func (w *walk) next(ctx context.Context, rows int) (done bool, err error) {
	end, more, err := w.reach(ctx, w.along, w.after, w.before, rows)
	if err != nil {
		return false, err
	}
	after, before := w.after, w.before
	switch {
	case more && w.backward:
		after, w.before = end-1, end
	case more:
		before, w.after = end+1, end
	}
	c := w.along.conditions(w.userQuery, after, before)
	if w.along.list != w.along.users {
		w.exact(&c)
	}
	w.contains(&c)
	part, err := w.read(ctx, w.along.users, w.along.number, c, w.limit-len(w.found))
	if err != nil {
		return false, err
	}
	w.found = append(w.found, part...)
	w.done = len(w.found) == w.limit || !more
	return w.done, nil
}

// searchByList scans the sparsest list.
func (q *userQuery) searchByList(ctx context.Context) ([]user.User, error) {
	l, err := q.sparsestList(ctx)
	if err != nil {
		return nil, err
	}
	w, lengths := q.walk(l), scanSizes[:]
	if len(q.grams) == 0 {
		lengths = lengths[:2]
	}
	for _, rows := range lengths {
		if done, err := w.next(ctx, rows); done || err != nil {
			return w.found, err
		}
	}
	return nil, errTooMany()
}

// sparsestList returns the list in which scanSizes[0] entries reach furthest: on SQLite the list of
// one gram, otherwise the list of all users.
func (q *userQuery) sparsestList(ctx context.Context) (numberList, error) {
	best := q.allUsers()
	if q.dialect != SQLite || len(q.grams) == 0 {
		return best, nil
	}
	// Without exact names, the list of all users is the last choice.
	furthest := -1.0
	if q.hasExact() {
		end, more, err := q.reach(ctx, best, q.after, q.before, scanSizes[0])
		if err != nil || !more {
			return best, err
		}
		furthest = q.distance(end)
	}
	c := conditions{all: []string{`g.gram = k.value`}}
	argument := c.arg(list(q.Store, q.grams))
	q.within(&c, `g.number`, q.after, q.before)
	end := `(SELECT g.number FROM {user_grams} g WHERE ` + c.String() + q.order(`g.number`) + ` LIMIT 1 OFFSET ` + c.arg(scanSizes[0]-1) + `)`
	err := q.reader().query(ctx, `SELECT k.value, `+end+` FROM json_each(`+argument+`) k`, c.args, func(rows *sql.Rows) error {
		var gram string
		var end sql.NullInt64
		if err := rows.Scan(&gram, &end); err != nil {
			return err
		}
		distance := math.Inf(1) // the list ends earlier
		if end.Valid {
			distance = q.distance(end.Int64)
		}
		if distance > furthest {
			furthest, best = distance, q.usersWithGram(gram)
		}
		return nil
	})
	return best, err
}

// distance returns how far a number is in the direction of reading.
func (q *userQuery) distance(number int64) float64 {
	if q.backward {
		return -float64(number)
	}
	return float64(number)
}

// searchByIndex uses the PostgreSQL index, which knows the users that have all grams, but not in
// list order. Its cost grows with the number of matches. So it first scans a few users in list
// order, which fills a page if many users match. If that fails, it uses the index, provided that
// there are few candidates. Otherwise it scans a longer part and tries again: matches can be far
// apart in the list, for example because many users with a similar name registered at the same
// time.
func (q *userQuery) searchByIndex(ctx context.Context) ([]user.User, error) {
	w := q.walk(q.allUsers())
	for i, rows := range scanSizes {
		if done, err := w.next(ctx, rows); done || err != nil {
			return w.found, err
		}
		if i == len(scanSizes)-1 {
			break
		}
		most := [...]int{sparseCandidates, maxCandidates}[i]
		if few, err := q.fewCandidates(ctx, most); err != nil {
			return nil, err
		} else if few {
			var c conditions
			from := q.candidates(&c, most)
			q.within(&c, `u.number`, q.after, q.before)
			q.contains(&c)
			return q.read(ctx, from, `u.number`, c, q.limit)
		}
	}
	return nil, errTooMany()
}

// fewCandidates reports whether there are at most so many candidates.
func (q *userQuery) fewCandidates(ctx context.Context, most int) (bool, error) {
	var c conditions
	from := q.candidates(&c, most+1)
	var n int
	_, err := q.reader().row(ctx, `SELECT count(*) FROM `+from, c.args, &n)
	return n <= most, err
}

// CountUsers implements [user.Lister]. It counts up to [user.MaxCount] and reads a bounded number
// of rows.
func (s *Store) CountUsers(ctx context.Context, f user.Filter) (n int, err error) {
	q := s.userQuery(f, storage.Range{})
	var c conditions
	var from string
	switch {
	case len(q.words) == 0:
		q.exact(&c)
		from = `{users} u`
	case len(q.grams) > 0 && s.dialect == PostgreSQL:
		if from, err = q.countedByIndex(ctx, &c); err != nil {
			return 0, err
		}
		q.contains(&c)
	default:
		l, err := q.sparsestList(ctx)
		if err != nil {
			return 0, err
		}
		from = q.countedByList(&c, l)
	}
	_, err = q.reader().row(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+from+` WHERE `+c.String()+` LIMIT `+c.arg(user.MaxCount)+`) counted`, c.args, &n)
	return n, err
}

// countedByList returns the table in which the matching users are counted.
func (q *userQuery) countedByList(c *conditions, l numberList) string {
	l.where(c)
	if len(q.words) == 1 && len(q.grams) == 1 && q.grams[0] == q.words[0] && !q.hasExact() {
		return l.list // the search is for that gram alone
	}
	most := maxCounted
	if len(q.grams) == 0 {
		most = maxCountedUnindexed
	}
	listed := `(SELECT ` + l.number + ` FROM ` + l.list + ` WHERE ` + c.String() + ` LIMIT ` + c.arg(most) + `) l`
	*c = conditions{args: c.args}
	q.exact(c)
	q.contains(c)
	return listed + ` JOIN {users} u ON u.number = l.number`
}

// countedByIndex is countedByList for PostgreSQL. The table has users in list order if many of them
// match, and otherwise the candidates.
func (q *userQuery) countedByIndex(ctx context.Context, c *conditions) (from string, err error) {
	first := *q
	first.limit = scanSizes[0]
	w := first.walk(first.allUsers())
	if _, err := w.next(ctx, scanSizes[0]); err != nil {
		return "", err
	}
	if len(w.found)*maxCounted < scanSizes[0]*user.MaxCount {
		return q.candidates(c, maxCounted), nil
	}
	users := conditions{args: c.args}
	q.exact(&users)
	c.args = users.args
	return `(SELECT u.* FROM {users} u WHERE ` + users.String() + ` LIMIT ` + c.arg(maxCounted) + `) u`, nil
}
