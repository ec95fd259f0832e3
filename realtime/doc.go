// Package realtime delivers what happens in chats and groups to those who are online: a [Hub] follows the [Log] that a store keeps and gives
// each user the events that they may see.
//
//	hub := realtime.NewHub(store, nil)
//	go hub.Run(ctx)
//
//	sub, err := hub.Subscribe(ctx, alice, "")
//	defer sub.Close()
//	for event, err := range sub.Events(ctx) { … }
//
// The log has one [Record] for each thing that happened, written in the commit of what it tells of, which holds references and never content. What an
// event shows, and whether its recipient may see it, is decided when it is delivered, live and on a resume
// alike: a message that was unsent meanwhile is in no replay, and whoever left a group is told of that and
// of nothing else.
//
// # Order
//
// Within a conversation events come in the order of their commit. Between conversations there is no order: records are
// committed in another order than that of their ids, and the hub waits for none of them. A record that is open (its id drawn, its transaction not at
// its end) holds up nobody; it is delivered when it is committed. What it holds back is the cursor.
//
// # Cursors
//
// The cursor of an event is the [Position] of its record, or a lower one while anything below is open, so that a subscription that resumes behind it gets
// everything that it did not get before. It may get an event again, with the same ID, right after the resume. A cursor that is older than the
// log, or of another log, is an error.
//
// # Slow consumers
//
// Nobody waits for anybody. A subscription whose consumer is behind holds some hundred events, and ends with [ErrSlowConsumer] when they are more; its
// consumer resumes. A resume is read in pages, at the consumer's pace, and joins the live events only when it has caught up. Where it is the hub that was
// behind, after an outage, and has more at once than a queue holds, nothing ends: the subscription resumes by itself.
package realtime
