import io.nats.client.*;
import io.nats.client.api.*;

import java.time.Duration;
import java.util.*;

public class Jnats {
    static final String ORDERS = "ORDERS";
    private static final Duration WEEK = Duration.ofDays(7);

    enum Kind { A, B }

    record Definition(String name, List<String> subjects, long maxMessages) {}

    private static final List<Definition> DEFINITIONS = List.of(
        new Definition("A", List.of("a.>"), 10),
        new Definition("B", Arrays.asList("b", "c"), 20L));

    private final Connection nc;
    private final JetStreamManagement jsm;
    private String prefix = "orders";

    Jnats(Connection nc) throws Exception {
        this.nc = nc;
        jsm = nc.jetStreamManagement();
    }

    void setup() throws Exception {
        StreamConfiguration.Builder builder = StreamConfiguration.builder().name(ORDERS);
        builder.subjects(prefix + ".>", "returns.*");
        builder.addSubjects("more");
        jsm.addStream(builder
            .description("all orders")
            .retentionPolicy(RetentionPolicy.WorkQueue)
            .maxAge(WEEK)
            .storageType(StorageType.Memory)
            .replicas(1)
            .maxMessages(1_000)
            .maxBytes(1024 * 1024)
            .discardPolicy(DiscardPolicy.New)
            .duplicateWindow(30_000)
            .allowRollup(true)
            .denyDelete(true)
            .metadata(Map.of("team", "shop"))
            .build());
        ConsumerConfiguration billing = ConsumerConfiguration.builder()
            .durable("billing")
            .filterSubject(String.format("%s.paid", prefix))
            .ackWait(Duration.ofSeconds(60))
            .maxDeliver(5)
            .backoff(1000, 5000)
            .maxAckPending(10)
            .build();
        jsm.addOrUpdateConsumer(ORDERS, billing);
        for (Definition one : DEFINITIONS) {
            ensure(one);
        }
        jsm.addStream(StreamConfiguration.builder().name("COPY").mirror(Mirror.builder().sourceName("A").build()).build());
        jsm.addStream(StreamConfiguration.builder()
            .name("ALL")
            .subjects(List.of("all"))
            .sources(Source.builder().sourceName("A").filterSubject("a.x").build(), Source.builder().sourceName("B").build())
            .republish(Republish.builder().source("all").destination("again").headersOnly(true).build())
            .compressionOption(CompressionOption.S2)
            .build());
        nc.getStreamContext("A").createOrUpdateConsumer(
            ConsumerConfiguration.builder().durable("two").filterSubjects("a.x", "a.y").headersOnly(true).build());
        nc.keyValueManagement().create(KeyValueConfiguration.builder().name("settings").maxHistoryPerKey(5).ttl(Duration.ofHours(1)).build());
        nc.objectStoreManagement().create(ObjectStoreConfiguration.builder("files").ttl(Duration.ofMinutes(1)).build());
    }

    private void ensure(Definition one) throws Exception {
        jsm.addStream(StreamConfiguration.builder()
            .name(one.name())
            .subjects(one.subjects())
            .maxMessages(one.maxMessages())
            .build());
    }

    void listen() throws Exception {
        JetStream js = nc.jetStream();
        Dispatcher dispatcher = nc.createDispatcher();
        js.subscribe("b", PullSubscribeOptions.builder().durable("puller").stream("B").build());
        js.subscribe("a.push", dispatcher, msg -> {}, false,
            PushSubscribeOptions.builder().durable("pushed").configuration(
                ConsumerConfiguration.builder().ackPolicy(AckPolicy.All).maxDeliver(2).flowControl(5000).build()).build());
        js.subscribe("a.queue", "workers", dispatcher, msg -> {}, false,
            PushSubscribeOptions.builder().stream("A").build());
        js.publish("orders.paid", new byte[0]);
        js.publish(prefix + ".other", new byte[0]);
    }

    public static void main(String[] args) throws Exception {
        Connection nc = Nats.connect(System.getenv("NATS_URL"));
        Jnats bus = new Jnats(nc);
        bus.setup();
        bus.listen();
        Runtime.getRuntime().halt(0);
    }
}
