"""Drives aiomqtt: one asyncio task for each scenario."""

import asyncio
from importlib.metadata import version

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

import plan

VERSIONS = {
    "3.1": aiomqtt.ProtocolVersion.V31,
    "3.1.1": aiomqtt.ProtocolVersion.V311,
    "5": aiomqtt.ProtocolVersion.V5,
}


def client(scenario, password=None, clean=True, will=None):
    more = {}
    if scenario.is_v5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0 if clean else 60
        more = {"clean_start": clean, "properties": properties}
    else:
        more = {"clean_session": clean}
    if will:
        more["will"] = aiomqtt.Will("BCE/E", scenario.payload(will), qos=1)
    if scenario.paho_transport == "websockets":
        more["websocket_path"] = scenario.path
    return aiomqtt.Client(
        scenario.host,
        scenario.port,
        username=scenario.user,
        password=password or scenario.password,
        identifier=scenario.client_id,
        protocol=VERSIONS[scenario.version],
        transport=scenario.paho_transport,
        tls_context=scenario.tls,
        keepalive=30,
        timeout=plan.PATIENCE,
        **more,
    )


async def publish(session, scenario, qos):
    properties = None
    if scenario.is_v5:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = "application/x-interop"
        properties.UserProperty = ("client", "aiomqtt")
    await session.publish("BCE/D", scenario.payload(f"qos {qos}"), qos, properties=properties)
    return qos


async def subscribe(session, topic):
    """The one answer, as a reason code; MQTT 3 has plain numbers."""
    (answer,) = await session.subscribe(topic, qos=1)
    return answer if isinstance(answer, ReasonCode) else ReasonCode(PacketTypes.SUBACK, identifier=answer)


async def play(scenario):
    saw = {"library": version("aiomqtt")}
    try:
        async with client(scenario, password="not the password"):
            saw["wrong_password"] = None
    except aiomqtt.MqttError as error:
        saw["wrong_password"] = str(error)

    async with client(scenario, will="will of a clean disconnect") as session:
        saw["acknowledged"] = [await publish(session, scenario, qos) for qos in (0, 1, 2)]
        saw["granted"] = (await subscribe(session, f"{scenario.client_id}/OUTC")).value
        reason = await subscribe(session, "#")
        saw["refused"] = str(reason) if reason.is_failure else None

    session = client(scenario, will="will")
    await session.__aenter__()
    return session, saw


async def run(scenario, standing):
    try:
        session, saw = await play(scenario)
        standing.append(session)
        plan.report(scenario, saw=saw)
    except Exception as error:  # every failure belongs to its scenario
        plan.report(scenario, failed=f"{type(error).__name__}: {error}")


async def main():
    standing = []
    await asyncio.gather(*(run(scenario, standing) for scenario in plan.read()))
    await asyncio.sleep(plan.STAND)


asyncio.run(main())
