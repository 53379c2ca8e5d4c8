package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	ordersStream = "ORDERS"
	day          = 24 * time.Hour
)

var subjects = []string{"orders.>", "returns.*"}

type definition struct {
	name     string
	maxAge   time.Duration
	subjects []string
}

var definitions = []definition{
	{name: "A", subjects: []string{"a.>"}},
	{"B", 2 * time.Hour, []string{"b"}},
}

type Bus struct {
	js jetstream.JetStream
}

func NewBus(nc *nats.Conn) (*Bus, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	return &Bus{js: js}, nil
}

func (b *Bus) Setup(ctx context.Context) error {
	stream, err := b.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:        ordersStream,
		Description: "all orders",
		Subjects:    subjects,
		Retention:   jetstream.WorkQueuePolicy,
		MaxAge:      7 * day,
		Storage:     jetstream.MemoryStorage,
		Replicas:    1,
		Discard:     jetstream.DiscardNew,
		Duplicates:  30 * time.Second,
		MaxBytes:    1 << 20,
		MaxMsgs:     1_000,
		MaxMsgSize:  1024,
		DenyDelete:  true,
		AllowRollup: true,
		Metadata:    map[string]string{"team": "shop"},
	})
	if err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	if _, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       "billing",
		FilterSubject: "orders.paid",
		AckPolicy:     jetstream.AckExplicitPolicy,
		MaxDeliver:    5,
		BackOff:       []time.Duration{time.Second, 5 * time.Second, 1500 * time.Millisecond},
		MaxAckPending: 10,
	}); err != nil {
		return err
	}
	if _, err := b.js.CreateConsumer(ctx, ordersStream, jetstream.ConsumerConfig{
		Name:           "named",
		Durable:        "named",
		FilterSubjects: []string{"returns.a", "returns.b"},
		AckWait:        time.Minute,
		ReplayPolicy:   jetstream.ReplayOriginalPolicy,
		HeadersOnly:    true,
		MaxWaiting:     7,
		MemoryStorage:  true,
	}); err != nil {
		return err
	}
	for _, one := range definitions {
		if err := b.ensure(ctx, one); err != nil {
			return err
		}
	}
	_, err = b.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:        "COPY",
		Mirror:      &jetstream.StreamSource{Name: "A", FilterSubject: "a.x"},
		Compression: jetstream.S2Compression,
	})
	if err != nil {
		return err
	}
	_, err = b.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:     "ALL",
		Subjects: []string{"all.>"},
		Sources:  []*jetstream.StreamSource{{Name: "A"}, {Name: "B"}},
		RePublish: &jetstream.RePublish{Source: "all.>", Destination: "again.>", HeadersOnly: true},
		ConsumerLimits: jetstream.StreamConsumerLimits{InactiveThreshold: time.Hour, MaxAckPending: 50},
		AllowDirect: true,
	})
	if err != nil {
		return err
	}
	if _, err := b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "settings", History: 5, TTL: time.Hour}); err != nil {
		return err
	}
	if _, err := b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "small", MaxBytes: 10_000, MaxValueSize: 100, Storage: jetstream.MemoryStorage}); err != nil {
		return err
	}
	_, err = b.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "files", TTL: time.Minute, Compression: true})
	return err
}

func (b *Bus) ensure(ctx context.Context, one definition) error {
	config := jetstream.StreamConfig{Name: one.name, Subjects: one.subjects}
	config.MaxAge = one.maxAge
	_, err := b.js.CreateStream(ctx, config)
	return err
}

func legacy(nc *nats.Conn) error {
	js, err := nc.JetStream()
	if err != nil {
		return err
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "OLD", Subjects: []string{"old.>"}, Retention: nats.InterestPolicy, MaxAge: day}); err != nil {
		return err
	}
	handler := func(msg *nats.Msg) { msg.Ack() }
	if _, err := js.Subscribe("old.a", handler, nats.Durable("a"), nats.ManualAck(), nats.AckWait(10*time.Second), nats.DeliverNew()); err != nil {
		return err
	}
	if _, err := js.QueueSubscribe("old.b", "workers", handler, nats.MaxDeliver(3)); err != nil {
		return err
	}
	if _, err := js.QueueSubscribe("old.c", "group", handler, nats.Durable("named"), nats.BindStream("OLD")); err != nil {
		return err
	}
	if _, err := js.SubscribeSync("old.d", nats.Durable("sync")); err != nil {
		return err
	}
	if _, err := js.PullSubscribe("old.e", "puller", nats.MaxAckPending(7), nats.AckAll()); err != nil {
		return err
	}
	if _, err := js.AddConsumer("OLD", &nats.ConsumerConfig{Durable: "none"}); err != nil {
		return err
	}
	if _, err := js.AddConsumer("OLD", &nats.ConsumerConfig{Durable: "explicit", AckPolicy: nats.AckExplicitPolicy, DeliverSubject: "to.explicit", Heartbeat: 5 * time.Second, FlowControl: true}); err != nil {
		return err
	}
	_, err = js.PullSubscribe("", strings.ToLower("MANY"), nats.BindStream("OLD"), nats.ConsumerFilterSubjects("old.x", "old.y"))
	return err
}

func main() {
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		panic(err)
	}
	bus, err := NewBus(nc)
	if err != nil {
		panic(err)
	}
	if err := bus.Setup(context.Background()); err != nil {
		panic(err)
	}
	if err := legacy(nc); err != nil {
		panic(err)
	}
	// The consumers of the subscriptions are looked at before they are taken down.
	os.Exit(0)
}
