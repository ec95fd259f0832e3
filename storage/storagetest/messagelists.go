package storagetest

import (
	"fmt"
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
)

func messageListTests() []test {
	return slices.Concat(
		inBoth("messages are read in pages, from both ends", messagesArePaged),
		inBoth("a page is full even if messages were removed", pagesAreFull),
		inBoth("a page keeps its position while the list changes", pagesStay),
		[]test{{"results for many copies are in the order of the copies", manyCopies}},
	)
}

func (p *pair) page(c chat.Copy, r storage.Range) ([]chat.Message, error) {
	all, err := p.store.Messages(p.ctx, []chat.Copy{c}, r)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func messagesArePaged(p *pair) {
	for i := range 7 {
		p.send([]chat.Copy{p.mine, p.others}[i%2], fmt.Sprint(i))
	}
	all := p.messages(p.mine)
	p.Len(all, 7)
	p.True(slices.IsSortedFunc(all, func(a, b chat.Message) int { return int(b.Seq - a.Seq) }), "newest first")
	for _, c := range []chat.Copy{p.mine, p.others} {
		pages(p.fixture, all, chat.Message.Key, func(r storage.Range) ([]chat.Message, error) { return p.page(c, r) })
	}
}

func pagesAreFull(p *pair) {
	p.send(p.mine, "cleared")
	p.clear(p.others)
	var kept []string
	for i := range 24 {
		m := p.send(p.mine, fmt.Sprint(i))
		switch i % 4 {
		case 0:
			kept = append(kept, m.Content)
		case 1:
			p.unsend(p.mine, m)
		case 2:
			p.hide(p.others, m)
		case 3:
			p.hide(p.others, m)
			p.unsend(p.mine, m)
		}
	}
	p.shows(p.others, kept...)
	p.unread(len(kept), p.others)
	all := p.messages(p.others)
	pages(p.fixture, all, chat.Message.Key, func(r storage.Range) ([]chat.Message, error) { return p.page(p.others, r) })
}

func pagesStay(p *pair) {
	var sent []chat.Message
	for i := range 6 {
		sent = append(sent, p.send(p.mine, fmt.Sprint(i)))
	}
	cursor := sent[3].Key()
	p.hide(p.others, sent[3])
	p.unsend(p.mine, sent[1])
	p.send(p.mine, "newer")
	older, err := p.page(p.others, storage.Range{After: &cursor, Limit: 10})
	p.NoError(err)
	p.Equal([]chat.Message{sent[2], sent[0]}, older)
	newer, err := p.page(p.others, storage.Range{Before: &cursor, Limit: 2, Backward: true})
	p.NoError(err)
	p.Equal([]chat.Message{sent[5], sent[4]}, newer)
	newest, err := p.page(p.others, storage.Range{Before: &cursor, Limit: 1})
	p.NoError(err)
	p.Equal("newer", newest[0].Content)
}

func manyCopies(f *fixture) {
	mine, others := f.chat(alice, bob)
	empty, _ := f.chat(alice, carol)
	members := f.group(alice, bob, carol)
	for _, c := range []chat.Copy{mine, mine, others, members[1], members[1], members[0]} {
		f.send(c, "by "+string(c.Owner))
	}
	f.hide(mine, f.messages(mine)[0]) // bob's, the only one that was not alice's own
	f.hide(members[2], f.messages(members[2])[1])
	cut := f.messages(members[0])[1].Key()
	gone := chat.Copy{Kind: chat.OneToOne, ID: 1 << 40, Owner: alice}
	copies := []chat.Copy{members[0], gone, mine, empty, others, members[2], mine}

	messages, err := f.store.Messages(f.ctx, copies, everything())
	f.NoError(err)
	counts, err := f.store.CountMessages(f.ctx, copies)
	f.NoError(err)
	unread, err := f.store.CountUnread(f.ctx, copies)
	f.NoError(err)
	last, err := f.store.LastMessages(f.ctx, copies)
	f.NoError(err)
	f.Equal([]int{3, 0, 2, 0, 3, 2, 2}, counts)
	f.Equal([]int{2, 0, 0, 0, 2, 2, 0}, unread)
	f.Len(messages, len(copies))
	f.Len(last, len(copies))
	for i, c := range copies {
		if len(messages[i]) == 0 {
			f.Zero(counts[i])
			f.Nil(last[i])
			continue
		}
		f.Equal(f.messages(c), messages[i])
		f.Equal(messages[i][0], *last[i])
	}

	page, err := f.store.Messages(f.ctx, copies, storage.Range{After: &cut, Limit: 1})
	f.NoError(err)
	f.Len(page, len(copies))
	for i, n := range []int{1, 0, 1, 0, 1, 1, 1} {
		f.Len(page[i], n, "each copy has its own page, after the same key")
	}
	for _, list := range []func() (int, error){
		func() (int, error) { l, err := f.store.Messages(f.ctx, nil, everything()); return len(l), err },
		func() (int, error) { l, err := f.store.CountMessages(f.ctx, nil); return len(l), err },
		func() (int, error) { l, err := f.store.CountUnread(f.ctx, nil); return len(l), err },
		func() (int, error) { l, err := f.store.LastMessages(f.ctx, nil); return len(l), err },
	} {
		n, err := list()
		f.NoError(err)
		f.Zero(n, "no copies")
	}
}
