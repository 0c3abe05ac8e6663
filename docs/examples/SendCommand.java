// Switches an output with a plain producer, and prints what becomes of it.
//
//     java -cp classes:kafka-clients.jar:protobuf-java.jar:slf4j-api.jar SendCommand BROKERS DEVICE [PREFIX]

import com.google.protobuf.Duration;
import com.google.protobuf.Timestamp;
// protoc -I proto --java_out=gen proto/fleetwire/v1/*.proto
import fleetwire.v1.CommandOuterClass.Command;
import fleetwire.v1.CommandOuterClass.CommandStatus;
import fleetwire.v1.CommandOuterClass.OutputAction;
import fleetwire.v1.CommandOuterClass.OutputControl;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class SendCommand {
    public static void main(String[] args) throws Exception {
        String brokers = args[0], device = args[1], prefix = args.length > 2 ? args[2] : "fleetwire";
        String commands = prefix + ".commands.v1", statuses = prefix + ".command-status.v1";

        // A key of text has the right partition without further settings.
        Map<String, Object> producing = Map.of("bootstrap.servers", brokers, "acks", "all");
        // Gateways write in transactions.
        Map<String, Object> consuming = Map.of("bootstrap.servers", brokers, "isolation.level", "read_committed");
        try (var producer = new KafkaProducer<>(producing, new StringSerializer(), new ByteArraySerializer());
                var consumer = new KafkaConsumer<>(consuming, new StringDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(statuses).stream()
                    .map(found -> new TopicPartition(found.topic(), found.partition())).toList();
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);

            Instant now = Instant.now();
            Timestamp issued = Timestamp.newBuilder().setSeconds(now.getEpochSecond()).setNanos(now.getNano()).build();
            Command command = Command.newBuilder()
                    .setCommandId(UUID.randomUUID().toString())
                    .setDeviceId(device)
                    .setIssuedTime(issued)
                    .setExpireTime(issued.toBuilder().setSeconds(issued.getSeconds() + 60))
                    .setRequestedBy("SendCommand.java")
                    .setOutputControl(OutputControl.newBuilder().setOutput(1)
                            .setAction(OutputAction.OUTPUT_ACTION_ON)
                            .setDuration(Duration.newBuilder().setSeconds(2)))
                    .build();
            var sent = producer.send(new ProducerRecord<>(commands, device, command.toByteArray())).get();

            // The statuses of a device are in the partition of the same number. No group is joined.
            TopicPartition partition = new TopicPartition(statuses, sent.partition());
            consumer.assign(List.of(partition));
            consumer.seek(partition, ends.get(partition));
            // Until it expires, and as long as telemetry may take to confirm it.
            Instant deadline = now.plusSeconds(60 + 360);
            while (Instant.now().isBefore(deadline)) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(java.time.Duration.ofSeconds(1))) {
                    CommandStatus status = CommandStatus.parseFrom(record.value());
                    if (!status.getDeviceId().equals(device)
                            || !status.getCommandId().equals(command.getCommandId())) {
                        continue;
                    }
                    // UNRECOGNIZED where a newer gateway has a state that this code does not know.
                    System.out.println(status.getState() + " " + status.getCode() + " " + status.getReason());
                    if (status.getTerminal()) {
                        return;
                    }
                }
            }
        }
    }
}
