//! Event ids: their names, and what they say of the position beside them.

use crate::{Attribute, Position};

/// A point by the mobile network: before version 1.2 the only way to say so.
pub(super) const NETWORK_POINT: u32 = 402;

/// The documented ids in their order. The words are ours and do not change; the protocol has a sentence for each.
const NAMES: &[(u32, &str)] = &[
    (1, "low_battery"),
    (2, "power_lost"),
    (3, "power_on_button"),
    (4, "power_recovered"),
    (5, "obd_unplugged"),
    (6, "obd_plugged"),
    (7, "backup_battery_low"),
    (8, "wake_up"),
    (9, "sleep_start"),
    (10, "timer_wake_up"),
    (11, "motion_wake_up"),
    (12, "power_wake_up"),
    (13, "power_off_button"),
    (14, "device_off"),
    (15, "device_on"),
    (101, "unauthorized_movement_start"),
    (102, "unauthorized_movement_end"),
    (103, "detached"),
    (104, "car_alarm"),
    (105, "case_closed"),
    (106, "case_opened"),
    (107, "unplugged"),
    (108, "attached"),
    (109, "door_alarm"),
    (110, "lock_closed"),
    (111, "lock_opened"),
    (112, "vibration_end"),
    (113, "vibration_start"),
    (114, "strap_bolt_inserted"),
    (115, "strap_bolt_cut"),
    (116, "gps_jamming_start"),
    (117, "gsm_jamming"),
    (118, "bracelet_opened"),
    (119, "bracelet_closed"),
    (120, "g_sensor_alert"),
    (121, "gps_jamming_end"),
    (201, "emergency_number_called"),
    (202, "sos"),
    (203, "cruise_control_on"),
    (204, "cruise_control_off"),
    (205, "dms_driver_not_identified"),
    (206, "dms_driver_identified"),
    (207, "adas_frequent_lane_change"),
    (208, "dms_no_face"),
    (209, "seat_belt_unbuckled"),
    (210, "dms_drinking"),
    (211, "dms_eyes_closed"),
    (212, "dms_new_driver"),
    (213, "dms_driver_entered"),
    (214, "dms_driver_absence_start"),
    (215, "dms_smoking_end"),
    (216, "dms_smoking_start"),
    (217, "dms_phone_end"),
    (218, "dms_phone_start"),
    (219, "dms_yawning"),
    (220, "dms_distraction_end"),
    (221, "dms_distraction_start"),
    (222, "dms_drowsiness_end"),
    (223, "dms_drowsiness_start"),
    (224, "overspeeding"),
    (225, "unexpected_movement_start"),
    (226, "unexpected_movement_end"),
    (227, "adas_pedestrian_in_danger_zone"),
    (228, "adas_traffic_sign"),
    (229, "adas_pedestrian_collision_warning"),
    (230, "fatigue_driving"),
    (231, "adas_headway_warning"),
    (232, "adas_right_lane_departure"),
    (233, "adas_left_lane_departure"),
    (234, "adas_lane_departure"),
    (235, "adas_forward_collision_warning"),
    (236, "harsh_lane_change"),
    (237, "harsh_acceleration_and_turn"),
    (238, "harsh_braking_and_turn"),
    (239, "harsh_turn"),
    (240, "harsh_acceleration"),
    (241, "harsh_braking"),
    (242, "crash"),
    (243, "harsh_driving"),
    (244, "call_button"),
    (245, "driver_texting"),
    (246, "driver_not_watching_the_road"),
    (247, "lane_drift"),
    (248, "stop_sign_violation"),
    (249, "speed_limit_exceeded"),
    (250, "traffic_light_violation"),
    (251, "tailgating"),
    (252, "seat_belt_fastened"),
    (301, "idle_end"),
    (302, "idle_start"),
    (303, "check_engine"),
    (401, "track_point"),
    (402, "network_point"),
    (403, "track_point_by_time"),
    (404, "track_point_by_distance"),
    (405, "track_point_by_heading"),
    (406, "movement_start"),
    (407, "movement_end"),
    (408, "non_track_message"),
    (409, "auto_geofence_entered"),
    (410, "auto_geofence_exited"),
    (501, "input_1_changed"),
    (502, "input_2_changed"),
    (503, "input_3_changed"),
    (504, "input_4_changed"),
    (505, "input_5_changed"),
    (506, "input_6_changed"),
    (507, "input_7_changed"),
    (508, "input_8_changed"),
    (551, "output_1_changed"),
    (552, "output_2_changed"),
    (553, "output_3_changed"),
    (554, "output_4_changed"),
    (555, "output_5_changed"),
    (556, "output_6_changed"),
    (557, "output_7_changed"),
    (558, "output_8_changed"),
    (601, "antenna_disconnected"),
    (602, "accessory_disconnected"),
    (603, "accessory_connected"),
    (604, "ignition_off"),
    (605, "ignition_on"),
    (606, "light_sensor_dark"),
    (607, "light_sensor_bright"),
    (608, "gps_recovered"),
    (609, "gps_lost"),
];

/// Name of a documented event.
pub(super) fn name(id: u32) -> Option<&'static str> {
    let place = NAMES.binary_search_by_key(&id, |(id, _)| *id).ok()?;
    NAMES.get(place).map(|(_, name)| *name)
}

/// Whether something happened, or it is merely the reason for a message.
pub(super) const fn is_event(id: u32) -> bool {
    !matches!(id, 0 | 401..=405 | 408)
}

/// What an event says of the position: its name, the ignition, and motion where the message does not tell it.
pub(super) fn apply(id: u32, position: &mut Position) {
    if let Some(name) = name(id) {
        position.put("event_name", Attribute::Text(name));
    }
    match id {
        604 => position.ignition = Some(false),
        605 => position.ignition = Some(true),
        406 => position.is_moving = position.is_moving.or(Some(true)),
        407 => position.is_moving = position.is_moving.or(Some(false)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_in_order_so_that_every_one_is_found() {
        assert!(NAMES.is_sorted_by(|(one, _), (two, _)| one < two));
        for (id, expected) in NAMES {
            assert_eq!(name(*id), Some(*expected));
        }
        assert_eq!((name(0), name(16), name(10_000)), (None, None, None));
    }
}
