"""Drives paho-mqtt: threads and callbacks, one client for each scenario."""

import queue
import threading
import time
from importlib.metadata import version

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import plan

VERSIONS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}


class Client:
    """A paho client whose callbacks become answers to wait for."""

    def __init__(self, scenario, clean=True, will=None):
        self.scenario, self.clean = scenario, clean
        self.answers = queue.Queue()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=scenario.client_id,
            clean_session=None if scenario.is_v5 else clean,
            protocol=VERSIONS[scenario.version],
            transport=scenario.paho_transport,
            reconnect_on_failure=False,
        )
        if scenario.paho_transport == "websockets":
            self.client.ws_set_options(path=scenario.path)
        if scenario.tls:
            self.client.tls_set_context(scenario.tls)
        if will:
            self.client.will_set("BCE/E", scenario.payload(will), qos=1)
        self.client.on_connect = lambda _c, _u, flags, reason, props: self.answers.put((flags, reason, props))
        self.client.on_subscribe = lambda _c, _u, _mid, reasons, _props: self.answers.put(reasons)
        self.client.on_disconnect = lambda _c, _u, _flags, reason, _props: self.answers.put(reason)

    def connect(self, password=None):
        """CONNECT; the flags, reason and properties of the CONNACK."""
        scenario = self.scenario
        self.client.username_pw_set(scenario.user, password or scenario.password)
        more = {}
        if scenario.is_v5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0 if self.clean else 60
            more = {"clean_start": self.clean, "properties": properties}
        self.client.connect(scenario.host, scenario.port, keepalive=30, **more)
        self.client.loop_start()
        return self.answers.get(timeout=plan.PATIENCE)

    def connected(self):
        """CONNECT that must be accepted; flags and properties."""
        flags, reason, properties = self.connect()
        if reason.is_failure:
            raise RuntimeError(f"CONNECT refused: {reason}")
        return flags, plan.properties(properties)

    def publish(self, qos):
        """PUBLISH, and wait until paho says that it is done."""
        properties = None
        if self.scenario.is_v5:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ContentType = "application/x-interop"
            properties.UserProperty = ("client", "paho-mqtt")
        info = self.client.publish("BCE/D", self.scenario.payload(f"qos {qos}"), qos, properties=properties)
        info.wait_for_publish(plan.PATIENCE)
        if not info.is_published():
            raise RuntimeError(f"no acknowledgement of QoS {qos}")
        return qos

    def subscribe(self, topic):
        self.client.subscribe(topic, qos=1)
        return self.answers.get(timeout=plan.PATIENCE)[0]

    def disconnect(self):
        self.client.disconnect()
        self.answers.get(timeout=plan.PATIENCE)
        self.client.loop_stop()


def play(scenario):
    saw = {"library": version("paho-mqtt")}

    client = Client(scenario)
    _, reason, _ = client.connect("not the password")
    saw["wrong_password"] = str(reason) if reason.is_failure else None
    client.client.loop_stop()

    client = Client(scenario, will="will of a clean disconnect")
    _, saw["limits"] = client.connected()
    saw["acknowledged"] = [client.publish(qos) for qos in (0, 1, 2)]
    saw["granted"] = client.subscribe(f"{scenario.client_id}/OUTC").value
    reason = client.subscribe("#")
    saw["refused"] = str(reason) if reason.is_failure else None
    client.disconnect()

    saw["session_present"] = []
    for _ in range(2):
        client = Client(scenario, clean=False)
        flags, _ = client.connected()
        saw["session_present"].append(flags.session_present)
        client.subscribe(f"{scenario.client_id}/OUTC")
        client.disconnect()

    client = Client(scenario, will="will")
    client.connected()
    return client, saw


def run(scenario, standing):
    try:
        client, saw = play(scenario)
        standing.append(client)
        plan.report(scenario, saw=saw)
    except Exception as error:  # every failure belongs to its scenario
        plan.report(scenario, failed=f"{type(error).__name__}: {error}")


def main():
    standing = []
    for scenario in plan.read():
        threading.Thread(target=run, args=(scenario, standing), daemon=True).start()
    time.sleep(plan.STAND)


main()
