//! `CONFIG GET` and `CONFIG SET`.

use super::choices::ProtectedAction;
use super::settings::{Applier, Config};
use super::spec::{Spec, flag};
use super::table::Param;
use super::value::Value;
use crate::base::glob;
use crate::oplog::BACKLOG_SIZE_BYTES_MIN;
use crate::resp::template::fill;
use std::sync::Arc;

/// What the answer of `CONFIG SET` depends on besides its arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetContext {
    /// Whether the client is connected from this machine.
    pub local_client: bool,
    /// Whether a data set is being loaded.
    pub loading: bool,
}

/// Why `CONFIG SET` changed nothing. Names are as they were typed.
#[derive(Debug, PartialEq, Eq)]
pub enum SetError {
    Unknown(Vec<u8>),
    Failed {
        name: Vec<u8>,
        reason: String,
    },
    /// To be answered with the error that every command gets while loading.
    Loading,
}

impl SetError {
    /// What the client is answered, in Redis's words.
    pub fn message(&self) -> Vec<u8> {
        match self {
            SetError::Unknown(name) => fill(
                "ERR Unknown option or number of arguments for CONFIG SET - '{}'",
                &[name],
            ),
            SetError::Failed { name, reason } => fill(
                "ERR CONFIG SET failed (possibly related to argument '{}') - {}",
                &[name, reason.as_bytes()],
            ),
            SetError::Loading => "ERR this parameter cannot be changed while loading".into(),
        }
    }
}

impl Config {
    /// The names and values of all directives that match one of `patterns`, each once. A
    /// name asked for literally comes back as it was typed, and only so are hidden
    /// directives shown.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Param)> = Vec::new();
        let mut add = |name: &[u8], param| {
            if !found
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                found.push((name.to_vec(), param));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some(param) = Param::named(pattern) {
                    add(pattern, param);
                }
                continue;
            }
            for &param in Param::ALL {
                let spec = param.spec();
                let matching = spec.names().filter(|name| {
                    !spec.has(flag::HIDDEN) && glob::matches(pattern, name.as_bytes(), true)
                });
                matching.for_each(|name| add(name.as_bytes(), param));
            }
        }
        let shown = |(name, param): (Vec<u8>, Param)| {
            let value = self.value(param).show(&param.spec().kind);
            (name, value)
        };
        found.into_iter().map(shown).collect()
    }

    /// Changes several directives at once: all of them, or none.
    ///
    /// # Errors
    /// A name is unknown or must not be changed, a value is wrong, or an applier failed;
    /// then everything is as before.
    pub fn set(&self, pairs: &[(&[u8], &[u8])], context: &SetContext) -> Result<(), SetError> {
        let _changing = self.changing.lock();
        let params = self.check_names(pairs, context)?;
        let mut changes: Vec<Change> = Vec::with_capacity(pairs.len());
        for (&(typed, param), (_, words)) in params.iter().zip(pairs) {
            let old = self.value(param);
            let new = Value::parse(param, &split(param.spec(), words), &old)
                .map_err(|reason| failed(canonical(param, typed).as_bytes(), reason))?;
            let new = at_least(param, new);
            if new != old {
                let name = canonical(param, typed);
                changes.push(Change {
                    param,
                    name,
                    old,
                    new,
                });
            }
        }
        for change in &changes {
            self.store(change.param, change.new.clone());
        }
        self.apply(&changes)
    }

    /// Finds the directives and checks whether they may be changed at all.
    fn check_names<'a>(
        &self,
        pairs: &[(&'a [u8], &[u8])],
        context: &SetContext,
    ) -> Result<Vec<(&'a [u8], Param)>, SetError> {
        let mut found: Vec<(&[u8], Param)> = Vec::with_capacity(pairs.len());
        for &(typed, _) in pairs {
            let Some(param) = Param::named(typed) else {
                return Err(SetError::Unknown(typed.to_vec()));
            };
            let spec = param.spec();
            if spec.has(flag::IMMUTABLE) {
                return Err(failed(typed, "can't set immutable config"));
            }
            if spec.has(flag::PROTECTED) && !self.allows_protected(context) {
                return Err(failed(typed, "can't set protected config"));
            }
            if spec.has(flag::DENY_LOADING) && context.loading {
                return Err(SetError::Loading);
            }
            if found.iter().any(|(_, known)| *known == param) {
                return Err(failed(typed, "duplicate parameter"));
            }
            found.push((typed, param));
        }
        Ok(found)
    }

    fn allows_protected(&self, context: &SetContext) -> bool {
        match self.choice(Param::EnableProtectedConfigs) {
            ProtectedAction::Yes => true,
            ProtectedAction::Local => context.local_client,
            ProtectedAction::No => false,
        }
    }

    /// Runs the appliers of what changed, each once, and undoes everything if one fails.
    fn apply(&self, changes: &[Change]) -> Result<(), SetError> {
        let mut ran: Vec<Arc<Applier>> = Vec::new();
        for change in changes {
            let mut appliers = self.appliers.read().clone();
            appliers.retain(|applier| {
                let known = ran.iter().any(|known| Arc::ptr_eq(known, applier));
                applier.params.contains(&change.param) && !known
            });
            for applier in appliers {
                let result = (applier.apply)(self);
                ran.push(applier);
                if let Err(reason) = result {
                    tracing::warn!(
                        "Failed applying new configuration. Possibly related to new {} \
                         setting. Restoring previous settings.",
                        change.name
                    );
                    self.restore(changes, &ran);
                    return Err(failed(change.name.as_bytes(), reason));
                }
            }
        }
        Ok(())
    }

    fn restore(&self, changes: &[Change], ran: &[Arc<Applier>]) {
        for change in changes {
            self.store(change.param, change.old.clone());
        }
        for applier in ran {
            if let Err(reason) = (applier.apply)(self) {
                tracing::warn!("Failed applying restored failed CONFIG SET command: {reason}");
            }
        }
    }
}

struct Change {
    param: Param,
    /// The one of its names that the client used.
    name: &'static str,
    old: Value,
    new: Value,
}

/// The words of a value: one, unless the directive takes several.
fn split<'a>(spec: &Spec, value: &'a [u8]) -> Vec<&'a [u8]> {
    if spec.has(flag::MULTI_ARG) {
        return value.split(|byte| *byte == b' ').collect();
    }
    vec![value]
}

/// What a change is raised to; the configuration file's value is shown as it was written.
fn at_least(param: Param, value: Value) -> Value {
    match (param, value) {
        (Param::ReplBacklogSize, Value::Number(bytes)) => {
            Value::Number(bytes.max(BACKLOG_SIZE_BYTES_MIN as i64))
        }
        (_, value) => value,
    }
}

/// The name or the alias, whichever the client typed, in lower case.
fn canonical(param: Param, typed: &[u8]) -> &'static str {
    let spec = param.spec();
    let mut names = spec.names();
    let used = names.find(|name| name.as_bytes().eq_ignore_ascii_case(typed));
    used.unwrap_or(spec.name)
}

fn failed(name: &[u8], reason: impl Into<String>) -> SetError {
    SetError::Failed {
        name: name.to_vec(),
        reason: reason.into(),
    }
}
