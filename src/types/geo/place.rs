//! Places and distances.

use std::f64::consts::PI;

pub const LON_MIN: f64 = -180.0;
pub const LON_MAX: f64 = 180.0;
pub const LAT_MIN: f64 = -85.05112878;
pub const LAT_MAX: f64 = 85.05112878;

/// Of the sphere on which distances are measured.
pub const EARTH_RADIUS_M: f64 = 6372797.560856;
pub const RADIAN: f64 = PI / 180.0;

pub fn radians(degrees: f64) -> f64 {
    degrees * RADIAN
}

pub fn degrees(radians: f64) -> f64 {
    radians / RADIAN
}

/// In degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub lon: f64,
    pub lat: f64,
}

impl Place {
    /// Whether it can be a score: near the poles is none that can.
    pub fn is_valid(self) -> bool {
        (LON_MIN..=LON_MAX).contains(&self.lon) && (LAT_MIN..=LAT_MAX).contains(&self.lat)
    }

    /// The distance to another place in metres, on a sphere.
    pub fn distance_m(self, other: Place) -> f64 {
        let (lon, other_lon) = (radians(self.lon), radians(other.lon));
        let v = ((other_lon - lon) / 2.0).sin();
        if v == 0.0 {
            return lat_distance_m(self.lat, other.lat);
        }
        let (lat, other_lat) = (radians(self.lat), radians(other.lat));
        let u = ((other_lat - lat) / 2.0).sin();
        let a = u * u + lat.cos() * other_lat.cos() * v * v;
        2.0 * EARTH_RADIUS_M * a.sqrt().asin()
    }
}

pub fn lat_distance_m(lat: f64, other: f64) -> f64 {
    EARTH_RADIUS_M * (radians(other) - radians(lat)).abs()
}
