"""Switches an output with a plain producer, and prints what becomes of it.

    python send_command.py BROKERS DEVICE [PREFIX]
"""

import sys
import time
import uuid

sys.path.insert(0, "gen")  # python -m grpc_tools.protoc -I proto --python_out=gen proto/fleetwire/v1/*.proto

from confluent_kafka import Consumer, Producer, TopicPartition
from fleetwire.v1.command_pb2 import Command, CommandState, CommandStatus, OutputAction

brokers, device = sys.argv[1:3]
prefix = sys.argv[3] if len(sys.argv) > 3 else "fleetwire"
commands, statuses = f"{prefix}.commands.v1", f"{prefix}.command-status.v1"

# It joins no group: it reads one partition, from where that ends now.
consumer = Consumer({"bootstrap.servers": brokers, "group.id": "unused", "enable.auto.commit": False})
partitions = consumer.list_topics(statuses, timeout=10).topics[statuses].partitions
ends = {p: consumer.get_watermark_offsets(TopicPartition(statuses, p), timeout=10)[1] for p in partitions}

command = Command(command_id=str(uuid.uuid4()), device_id=device, requested_by="send_command.py")
command.issued_time.GetCurrentTime()
command.expire_time.FromSeconds(command.issued_time.seconds + 60)
command.output_control.output = 1
command.output_control.action = OutputAction.OUTPUT_ACTION_ON
command.output_control.duration.FromMilliseconds(2000)


def delivered(error, message):
    if error is not None:
        sys.exit(f"the command was not sent: {error}")
    # The statuses of a device are in the partition of the same number.
    number = message.partition()
    consumer.assign([TopicPartition(statuses, number, ends[number])])


# Without this partitioner the command would be in another partition than all else of the device, and come late.
producer = Producer({"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True,
                     "partitioner": "murmur2_random"})
producer.produce(commands, key=device, value=command.SerializeToString(), on_delivery=delivered)
producer.flush()

deadline = time.monotonic() + 60 + 360  # until it expires, and as long as telemetry may take to confirm it
while time.monotonic() < deadline:
    message = consumer.poll(1.0)
    if message is None or message.error():
        continue
    status = CommandStatus.FromString(message.value())
    if (status.device_id, status.command_id) != (device, command.command_id):
        continue
    names = CommandState.DESCRIPTOR.values_by_number  # a newer gateway may have a state that is not in it
    state = names[status.state].name if status.state in names else status.state
    print(state, status.code, status.reason, flush=True)
    if status.terminal:
        break
consumer.close()
