//! Where a vehicle is: drives with turns and stops, parking in between, never far from its town. Position,
//! speed, heading and distance agree with each other at every step.

use rand::Rng;
use rand::rngs::StdRng;

/// Metres in a degree of latitude.
const METRES_PER_DEGREE: f64 = 111_320.0;
/// A vehicle turns back beyond this distance from its town, metres.
const RANGE_M: f64 = 30_000.0;
/// The longest stretch driven without a look at the road, seconds.
const STEP_S: u32 = 5;

/// Towns that fleets live in: latitude, longitude, metres above the sea, mobile country and network code.
const TOWNS: &[Town] = &[
    Town(42.6977, 23.3219, 550.0, 284, 3),
    Town(43.2141, 27.9147, 80.0, 284, 5),
    Town(54.6872, 25.2797, 112.0, 246, 1),
    Town(52.5200, 13.4050, 34.0, 262, 2),
    Town(48.8566, 2.3522, 35.0, 208, 1),
    Town(41.3874, 2.1686, 12.0, 214, 7),
    Town(25.2048, 55.2708, 5.0, 424, 2),
    Town(-26.2041, 28.0473, 1753.0, 655, 1),
    Town(51.5072, -0.1276, 11.0, 234, 15),
    Town(44.4268, 26.1025, 85.0, 226, 10),
];

#[derive(Debug, Clone, Copy)]
struct Town(f64, f64, f64, u32, u32);

/// What the vehicle does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Stands with the engine off.
    Parked,
    /// On its way, towards this speed in km/h.
    Driving { cruise_kmh: f64 },
    /// Stands at a light or a door with the engine on.
    Waiting,
}

/// A vehicle on its journeys.
#[derive(Debug, Clone)]
pub(crate) struct Journey {
    town: Town,
    phase: Phase,
    left_s: u32,
    latitude: f64,
    longitude: f64,
    altitude_m: f64,
    speed_kmh: f64,
    heading_deg: f64,
    odometer_m: f64,
}

impl Journey {
    pub(crate) fn new(rng: &mut StdRng) -> Self {
        let town = TOWNS.get(rng.random_range(0..TOWNS.len())).copied();
        let town = town.unwrap_or(Town(0.0, 10.0, 0.0, 1, 1));
        let mut journey = Self {
            town,
            phase: Phase::Parked,
            left_s: rng.random_range(0..600),
            latitude: town.0 + rng.random_range(-0.05..0.05),
            longitude: town.1 + rng.random_range(-0.05..0.05),
            altitude_m: town.2,
            speed_kmh: 0.0,
            heading_deg: rng.random_range(0.0..360.0),
            odometer_m: rng.random_range(1_000.0..300_000_000.0),
        };
        if rng.random_bool(0.7) {
            journey.set_off(rng);
        }
        journey
    }

    /// Lets this much time pass.
    pub(crate) fn advance(&mut self, seconds: u32, rng: &mut StdRng) {
        // Nothing happens to a parked vehicle until it sets off.
        let mut rest = seconds;
        while rest > 0 {
            if self.left_s == 0 {
                self.next_phase(rng);
            }
            let most = if self.phase == Phase::Parked { rest } else { STEP_S };
            let step = rest.min(most).min(self.left_s.max(1));
            if let Phase::Driving { cruise_kmh } = self.phase {
                self.drive(step.into(), cruise_kmh, rng);
            }
            self.left_s = self.left_s.saturating_sub(step);
            rest -= step;
        }
    }

    fn next_phase(&mut self, rng: &mut StdRng) {
        match self.phase {
            Phase::Waiting if rng.random_bool(0.1) => {
                self.phase = Phase::Parked;
                self.left_s = rng.random_range(300..3600);
            }
            Phase::Parked | Phase::Waiting => self.set_off(rng),
            Phase::Driving { .. } => {
                self.phase = Phase::Waiting;
                self.speed_kmh = 0.0;
                self.left_s = rng.random_range(5..90);
            }
        }
    }

    fn set_off(&mut self, rng: &mut StdRng) {
        let cruise_kmh = rng.random_range(25.0..110.0);
        self.phase = Phase::Driving { cruise_kmh };
        self.left_s = rng.random_range(60..900);
    }

    fn drive(&mut self, seconds: f64, cruise_kmh: f64, rng: &mut StdRng) {
        // Up to 7 km/h more or less in a second.
        let wanted = cruise_kmh * rng.random_range(0.9..1.1);
        self.speed_kmh += (wanted - self.speed_kmh).clamp(-7.0 * seconds, 7.0 * seconds);
        let turn = if rng.random_bool(0.04) { 90.0 } else { 8.0 };
        let heading = self.heading_deg + rng.random_range(-turn..turn);
        self.heading_deg = self.homewards().unwrap_or(heading).rem_euclid(360.0);
        let metres = self.speed_kmh / 3.6 * seconds;
        let (east, north) = self.heading_deg.to_radians().sin_cos();
        self.latitude += metres * north / METRES_PER_DEGREE;
        self.longitude += metres * east / (METRES_PER_DEGREE * self.latitude.to_radians().cos());
        let climb = rng.random_range(-0.3..0.3) * seconds;
        self.altitude_m = (self.altitude_m + climb).clamp(self.town.2 - 40.0, self.town.2 + 120.0);
        self.odometer_m += metres;
    }

    /// The heading to the town, if the vehicle is far from it.
    fn homewards(&self) -> Option<f64> {
        let north = (self.town.0 - self.latitude) * METRES_PER_DEGREE;
        let east = (self.town.1 - self.longitude) * METRES_PER_DEGREE * self.latitude.to_radians().cos();
        (north.hypot(east) > RANGE_M).then(|| east.atan2(north).to_degrees())
    }

    /// Whether the engine is on.
    pub(crate) fn ignition(&self) -> bool {
        self.phase != Phase::Parked
    }

    /// Kilometres per hour.
    pub(crate) const fn speed_kmh(&self) -> f64 {
        self.speed_kmh
    }

    /// Degrees clockwise from north, 0..360.
    pub(crate) const fn heading_deg(&self) -> f64 {
        self.heading_deg
    }

    /// Degrees north and east.
    pub(crate) const fn position(&self) -> (f64, f64) {
        (self.latitude, self.longitude)
    }

    /// Metres above the sea.
    pub(crate) const fn altitude_m(&self) -> f64 {
        self.altitude_m
    }

    /// Metres since the vehicle was new.
    pub(crate) const fn odometer_m(&self) -> f64 {
        self.odometer_m
    }

    /// Mobile country and network code.
    pub(crate) const fn network(&self) -> (u32, u32) {
        (self.town.3, self.town.4)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn distance_speed_and_position_agree() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut journey = Journey::new(&mut rng);
        let (mut driven, mut parked) = (0, 0);
        for _ in 0..50_000 {
            let before = journey.clone();
            journey.advance(1, &mut rng);
            let moved = journey.odometer_m - before.odometer_m;
            let north = (journey.latitude - before.latitude) * METRES_PER_DEGREE;
            let east = (journey.longitude - before.longitude)
                * METRES_PER_DEGREE
                * before.latitude.to_radians().cos();
            assert!((north.hypot(east) - moved).abs() < 0.05, "{moved}");
            assert!(moved <= 121.0 / 3.6 && journey.speed_kmh <= 121.0 && journey.speed_kmh >= 0.0);
            assert!(journey.ignition() || moved == 0.0);
            driven += u32::from(moved > 0.0);
            parked += u32::from(!journey.ignition());
        }
        assert!(driven > 5000 && parked > 1000, "{driven} {parked}");
    }

    #[test]
    fn a_vehicle_stays_near_its_town() {
        for seed in 0..20 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut journey = Journey::new(&mut rng);
            for _ in 0..500 {
                journey.advance(120, &mut rng);
                let north = (journey.latitude - journey.town.0) * METRES_PER_DEGREE;
                assert!(north.abs() < RANGE_M + 2_000.0);
            }
        }
    }
}
