//! A stream's groups, and how far behind they are.
//!
//! How many entries a group has still to read is a difference of counts: all that were ever
//! added, less those that the group was given. The second count is lost when a group is
//! set to some id, and the first one says nothing once entries between were deleted; then
//! the count is known only at the ends of the stream, and elsewhere there is no answer.

use super::Stream;
use super::group::{Group, Name};
use super::id::StreamId;
use super::tree::Iter;

impl Stream {
    pub fn group_count(&self) -> usize {
        self.body.groups.len()
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.body.groups.get(name)
    }

    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.body.groups.get_mut(name)
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> Iter<'_, Name, Group> {
        self.body.groups.iter()
    }

    /// Adds a group. False if there is one of this name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.body.groups.contains(name) {
            return false;
        }
        self.body.groups.insert(name.into(), group);
        true
    }

    pub fn remove_group(&mut self, name: &[u8]) -> Option<Group> {
        self.body.groups.remove(name)
    }

    /// How many entries were added up to `id`, if that can be told.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        let body = &*self.body;
        if body.entries_added == 0 {
            return Some(0);
        }
        if id == body.last_id || body.len == 0 && id < body.last_id {
            return Some(body.entries_added);
        }
        if id > body.last_id {
            return None;
        }
        // Whatever was deleted is in front of what is there: all before it is gone.
        if body.max_deleted_id == StreamId::MIN || body.max_deleted_id < body.first_id {
            let gone = body.entries_added.wrapping_sub(body.len);
            if id < body.first_id {
                return Some(gone);
            }
            if id == body.first_id {
                return Some(gone.wrapping_add(1));
            }
        }
        None
    }

    /// Whether every entry added behind `id` is still there, as far as that can be told.
    fn is_whole_from(&self, id: StreamId) -> bool {
        let body = &*self.body;
        let none_deleted = body.len == 0
            || body.max_deleted_id == StreamId::MIN
            || body.max_deleted_id < body.first_id
            || body.max_deleted_id < id;
        none_deleted && id >= body.first_id
    }

    /// How many entries a group has still to read; `None` if that cannot be told.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let added = self.body.entries_added;
        if added == 0 || self.is_empty() {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if self.is_whole_from(group.last_id) => Some(read),
            _ => self.entries_up_to(group.last_id),
        };
        read.map(|read| added.wrapping_sub(read) as i64)
    }

    /// How many entries a group has read that had read `entries_read` up to `last_id`, once it
    /// is given the next one behind that, `id`.
    pub fn read_with(
        &self,
        (last_id, entries_read): (StreamId, Option<u64>),
        id: StreamId,
    ) -> Option<u64> {
        match entries_read {
            Some(read) if self.is_whole_from(last_id) => Some(read.wrapping_add(1)),
            before if self.body.entries_added == 0 => before,
            _ => self.entries_up_to(id),
        }
    }
}
