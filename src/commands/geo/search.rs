//! Members in an area: GEOSEARCH and its older forms, and what stores them.

use super::{reply_distance, reply_place, take_place, take_unit};
use crate::base::number;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::commands::zset;
use crate::resp::reply::ReplyBuf;
use crate::store::keyspace::Key;
use crate::types::ZSet;
use crate::types::geo::{Area, Place, Shape, Unit, truncated};
use crate::types::listpack::Item;

const NO_MEMBER: CmdError = CmdError::text("ERR could not decode requested zset member");
const ANY_WITHOUT_COUNT: CmdError = CmdError::text("ERR the ANY argument requires COUNT argument");
const TOO_FEW_CORNERS: CmdError =
    CmdError::text("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");

/// Which command it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEOSEARCH, or GEOSEARCHSTORE.
    Search { stores: bool },
    /// GEORADIUS, and with a member in the place of coordinates GEORADIUSBYMEMBER.
    Radius { by_member: bool, may_store: bool },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    None,
    Near,
    Far,
}

/// Where an area is, and what it is, as far as it has been told.
#[derive(Default)]
struct Parts {
    center: Option<Place>,
    /// From a member of a set that is not there: the rest is only looked over.
    from_nobody: bool,
    from_place: bool,
    shape: Option<(Shape, Unit)>,
}

struct Request<'a> {
    /// `None` if there is no set to search.
    area: Option<Area>,
    order: Order,
    /// How many members are wanted.
    count: Option<usize>,
    /// Any of them will do, not only the nearest.
    any: bool,
    with_distance: bool,
    with_score: bool,
    with_place: bool,
    store: Option<Key<'a>>,
    /// Store distances as scores, not places.
    store_distance: bool,
}

impl<'a> Request<'a> {
    fn parse(
        args: &mut Args<'a>,
        form: Form,
        name: &[u8],
        store: Option<Key<'a>>,
        set: Option<&ZSet>,
    ) -> Result<Request<'a>, CmdError> {
        let mut parts = Parts::default();
        if let Form::Radius { by_member, .. } = form {
            parts.take_circle(args, by_member, set)?;
        }
        let mut request = Request {
            area: None,
            order: Order::None,
            count: None,
            any: false,
            with_distance: false,
            with_score: false,
            with_place: false,
            store,
            store_distance: false,
        };
        while !args.is_empty() {
            let is_search = matches!(form, Form::Search { .. });
            let is_taken = request.take_flag(args)
                || request.take_count(args)?
                || request.take_store(args, form)
                || is_search && (parts.take_center(args, set)? || parts.take_shape(args)?);
            if !is_taken {
                return Err(CmdError::Syntax);
            }
        }
        request.check(form, name, &parts)?;
        request.area = set.and(parts.area());
        if request.count.is_some() && request.order == Order::None && !request.any {
            request.order = Order::Near;
        }
        Ok(request)
    }

    fn take_flag(&mut self, args: &mut Args) -> bool {
        let flag = match () {
            () if args.take("WITHDIST") => &mut self.with_distance,
            () if args.take("WITHHASH") => &mut self.with_score,
            () if args.take("WITHCOORD") => &mut self.with_place,
            () if args.take("ANY") => &mut self.any,
            () if args.take("ASC") => {
                self.order = Order::Near;
                return true;
            }
            () if args.take("DESC") => {
                self.order = Order::Far;
                return true;
            }
            () => return false,
        };
        *flag = true;
        true
    }

    fn take_count(&mut self, args: &mut Args) -> Result<bool, CmdError> {
        if args.left() < 2 || !args.take("COUNT") {
            return Ok(false);
        }
        let count = args.i64();
        args.check()?;
        if count <= 0 {
            return Err(CmdError::text("ERR COUNT must be > 0"));
        }
        self.count = Some(count as usize);
        Ok(true)
    }

    fn take_store(&mut self, args: &mut Args<'a>, form: Form) -> bool {
        match form {
            Form::Search { stores } => {
                let is_taken = stores && args.take("STOREDIST");
                self.store_distance |= is_taken;
                is_taken
            }
            Form::Radius { may_store, .. } => {
                if !may_store || args.left() < 2 {
                    return false;
                }
                let with_distance = args.take("STOREDIST");
                let is_taken = with_distance || args.take("STORE");
                if is_taken {
                    self.store_distance = with_distance;
                    self.store = Some(args.key());
                }
                is_taken
            }
        }
    }

    fn check(&self, form: Form, name: &[u8], parts: &Parts) -> Result<(), CmdError> {
        let shows = self.with_distance || self.with_score || self.with_place;
        if self.store.is_some() && shows {
            let who = match form {
                Form::Search { .. } => "GEOSEARCHSTORE",
                Form::Radius { .. } => "STORE option in GEORADIUS",
            };
            return Err(CmdError::err(format_args!(
                "{who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let is_search = matches!(form, Form::Search { .. });
        let exactly_one = |of: &str| {
            let template = "ERR exactly one of {} can be specified for {}";
            CmdError::quoting(template, &[of.as_bytes(), name])
        };
        if is_search && !parts.has_center() {
            return Err(exactly_one("FROMMEMBER or FROMLONLAT"));
        }
        if is_search && parts.shape.is_none() {
            return Err(exactly_one("BYRADIUS and BYBOX"));
        }
        if self.any && self.count.is_none() {
            return Err(ANY_WITHOUT_COUNT);
        }
        Ok(())
    }

    /// The members of a set that are in the area, in the order asked for.
    fn find<'s>(&self, set: &'s ZSet) -> Vec<Found<'s>> {
        let Some(area) = &self.area else {
            return Vec::new();
        };
        let enough = self.count.filter(|_| self.any).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        for scores in area.scores() {
            if found.len() >= enough {
                break;
            }
            let from = set.partition_point(|score, _| score < scores.start);
            for (member, score) in set.walk(from, usize::MAX, false) {
                if score >= scores.end || found.len() >= enough {
                    break;
                }
                let place = Place::of_score(score);
                if let Some(distance_m) = area.distance_m(place) {
                    found.push(Found {
                        member,
                        score,
                        place,
                        distance: distance_m,
                    });
                }
            }
        }
        match self.order {
            Order::None => {}
            Order::Near => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Order::Far => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        }
        found.truncate(self.count.unwrap_or(usize::MAX));
        for found in &mut found {
            found.distance /= area.unit.metres;
        }
        found
    }

    fn reply(&self, reply: &mut ReplyBuf, found: &[Found]) {
        let shown = [self.with_distance, self.with_score, self.with_place];
        let shown = shown.into_iter().filter(|&shown| shown).count();
        reply.array(found.len());
        for found in found {
            if shown > 0 {
                reply.array(1 + shown);
            }
            zset::reply_item(reply, found.member);
            if self.with_distance {
                reply_distance(reply, found.distance);
            }
            if self.with_score {
                reply.integer(truncated(found.score));
            }
            if self.with_place {
                reply_place(reply, found.place);
            }
        }
    }

    fn to_be_stored(&self, found: &[Found]) -> Vec<(f64, Vec<u8>)> {
        let pair = |found: &Found| match self.store_distance {
            true => (found.distance, found.member.to_vec()),
            false => (found.score, found.member.to_vec()),
        };
        found.iter().map(pair).collect()
    }
}

/// A member in the area.
struct Found<'a> {
    member: Item<'a>,
    score: f64,
    place: Place,
    /// From the center, in the unit of the area once all are found.
    distance: f64,
}

impl Parts {
    fn has_center(&self) -> bool {
        let is_polygon = matches!(self.shape, Some((Shape::Polygon(_), _)));
        self.center.is_some() || self.from_nobody || is_polygon
    }

    fn area(self) -> Option<Area> {
        match self.shape? {
            (Shape::Polygon(corners), _) => Some(Area::polygon(corners)),
            (shape, unit) => Some(Area::around(self.center?, shape, unit)),
        }
    }

    /// What GEORADIUS begins with: a place or a member, and a radius.
    fn take_circle(
        &mut self,
        args: &mut Args,
        by_member: bool,
        set: Option<&ZSet>,
    ) -> Result<(), CmdError> {
        match (by_member, set) {
            (true, None) => {
                // Member, radius and unit may be anything.
                args.skip(3);
                return Ok(());
            }
            (true, Some(set)) => self.center = Some(place_of(set, args.bytes())?),
            (false, _) => self.center = Some(take_place(args)?),
        }
        self.shape = Some(take_radius(args)?);
        Ok(())
    }

    fn take_center(&mut self, args: &mut Args, set: Option<&ZSet>) -> Result<bool, CmdError> {
        if matches!(self.shape, Some((Shape::Polygon(_), _))) {
            return Ok(false);
        }
        let from_member = self.from_nobody || self.center.is_some() && !self.from_place;
        if !self.from_place && args.left() >= 2 && args.take("FROMMEMBER") {
            let member = args.bytes();
            match set {
                Some(set) => self.center = Some(place_of(set, member)?),
                None => self.from_nobody = true,
            }
            return Ok(true);
        }
        if !from_member && args.left() >= 3 && args.take("FROMLONLAT") {
            self.center = Some(take_place(args)?);
            self.from_place = true;
            return Ok(true);
        }
        Ok(false)
    }

    fn take_shape(&mut self, args: &mut Args) -> Result<bool, CmdError> {
        let (circle, oblong, polygon) = match &self.shape {
            None => (true, true, true),
            Some((Shape::Circle { .. }, _)) => (true, false, false),
            Some((Shape::Box { .. }, _)) => (false, true, false),
            Some((Shape::Polygon(_), _)) => (false, false, true),
        };
        let has_center = self.center.is_some() || self.from_nobody;
        self.shape = Some(if circle && args.left() >= 3 && args.take("BYRADIUS") {
            take_radius(args)?
        } else if oblong && args.left() >= 4 && args.take("BYBOX") {
            take_box(args)?
        } else if polygon && !has_center && args.left() >= 3 && args.take("BYPOLYGON") {
            (Shape::Polygon(take_corners(args)?), Unit::METRE)
        } else {
            return Ok(false);
        });
        Ok(true)
    }
}

fn place_of(set: &ZSet, member: &[u8]) -> Result<Place, CmdError> {
    set.score(member).map(Place::of_score).ok_or(NO_MEMBER)
}

fn take_radius(args: &mut Args) -> Result<(Shape, Unit), CmdError> {
    let no_number = CmdError::text("ERR need numeric radius");
    let radius = number::parse_f64(args.bytes()).ok_or(no_number)?;
    if radius < 0.0 {
        return Err(CmdError::text("ERR radius cannot be negative"));
    }
    Ok((Shape::Circle { radius }, take_unit(args)?))
}

fn take_box(args: &mut Args) -> Result<(Shape, Unit), CmdError> {
    let mut side = |no_number| number::parse_f64(args.bytes()).ok_or(CmdError::text(no_number));
    let width = side("ERR need numeric width")?;
    let height = side("ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CmdError::text("ERR height or width cannot be negative"));
    }
    Ok((Shape::Box { width, height }, take_unit(args)?))
}

fn take_corners(args: &mut Args) -> Result<Vec<Place>, CmdError> {
    let count = number::parse_i64(args.bytes()).and_then(|n| i32::try_from(n).ok());
    let count = count.ok_or(CmdError::text("ERR invalid number of vertices"))?;
    match usize::try_from(count) {
        Ok(count @ 3..) if count <= args.left() / 2 => {
            (0..count).map(|_| take_place(args)).collect()
        }
        _ => Err(TOO_FEW_CORNERS),
    }
}

fn search<'a>(
    cx: &mut Cx,
    mut args: Args<'a>,
    form: Form,
    store: Option<Key<'a>>,
) -> Result<Outcome, CmdError> {
    let name = args.argv().get(0);
    let key = args.key();
    let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
    let request = Request::parse(&mut args, form, name, store, set)?;
    let found = set.map_or(Vec::new(), |set| request.find(set));
    let Some(into) = request.store else {
        request.reply(cx.reply, &found);
        return Ok(Outcome::Done);
    };
    let event = match form {
        Form::Search { .. } => "geosearchstore",
        Form::Radius { .. } => "georadiusstore",
    };
    let (count, members) = (found.len(), request.to_be_stored(&found));
    let limits = zset::limits(cx);
    let mut set = ZSet::default();
    set.expect(count, 0, &limits);
    for (score, member) in members {
        set.set(&member, score, &limits);
    }
    cx.reply.integer(count as i64);
    zset::replace(cx, into, set, event, count as u64);
    Ok(Outcome::Done)
}

pub fn geosearch(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    search(cx, args, Form::Search { stores: false }, None)
}

pub fn geosearchstore(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let into = args.key();
    search(cx, args, Form::Search { stores: true }, Some(into))
}

const fn radius(by_member: bool, may_store: bool) -> Form {
    Form::Radius {
        by_member,
        may_store,
    }
}

pub fn georadius(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    search(cx, args, radius(false, true), None)
}

pub fn georadius_ro(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    search(cx, args, radius(false, false), None)
}

pub fn georadiusbymember(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    search(cx, args, radius(true, true), None)
}

pub fn georadiusbymember_ro(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    search(cx, args, radius(true, false), None)
}
