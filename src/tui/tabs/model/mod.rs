//! The Model tab: the presets as a path, the layers of the chosen one, and its recipe as a form; `t` trains it.
//!
//! Checks what is typed with the profile's own rules; starts nothing itself.

mod draw;
mod fields;
mod form;
mod keys;
mod layers;
mod path;
mod search;

use std::collections::HashMap;

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::catalog;
use crate::data::DatasetInfo;
use crate::error::{Error, Result};
use crate::model::presets::{self, Preset};
use crate::model::summary::{Summary, summarise};
use crate::model::{Architecture, freeze, resolve};
use crate::profile::normalization::Figures;
use crate::profile::{Background, Model, Profile};
use crate::run::weights_info::Card;
use crate::text;
use crate::tui::action::Action;
use crate::tui::context::Context;
use crate::tui::tab::{Effect, Hint, Mouse, Tab};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::input::Typed;
use fields::Field;
use form::{Editing, Form};
use path::Path;
use search::Marks;

/// The group of the user's own, the last of the presets' groups.
const OWN: &str = presets::YOUR_OWN;

/// A preset and its recipe as edited.
pub(crate) struct Entry {
    name: String,
    /// What is known of it; the user's own have nothing.
    preset: Option<&'static Preset>,
    original: Profile,
    profile: Profile,
    /// What a sweep over it searches.
    marks: Marks,
}

impl Entry {
    fn group(&self) -> &'static str {
        self.preset.map_or(OWN, |preset| preset.group)
    }

    /// Whether somebody changed the recipe; the choice of the data set is not counted.
    fn is_edited(&self) -> bool {
        let mut profile = self.profile.clone();
        if self.is_normalized_as(&profile.data.name) {
            profile.data.set_figures(self.original.data.figures());
        }
        profile.data.name.clone_from(&self.original.data.name);
        profile != self.original
    }

    /// Whether nobody chose another normalisation than the recipe has with the set called so.
    fn is_normalized_as(&self, name: &str) -> bool {
        self.profile.data.figures() == self.figures_with(name)
    }

    /// How the recipe, as it was, normalises the set called so: without the figures of another.
    fn figures_with(&self, name: &str) -> Figures {
        let mut data = self.original.data.clone();
        data.use_set(name);
        data.figures()
    }

    /// Takes the set called so.
    fn place(&mut self, name: &str) {
        if self.is_normalized_as(&self.profile.data.name) {
            self.profile.data.set_figures(self.figures_with(name));
        }
        if self.profile.data.name != name {
            self.profile.data.exclude_sha256.clear();
        }
        name.clone_into(&mut self.profile.data.name);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Layers,
    Toml,
    Story,
}

impl View {
    const ALL: [Self; 3] = [Self::Layers, Self::Toml, Self::Story];

    fn name(self) -> &'static str {
        match self {
            Self::Layers => "layers",
            Self::Toml => "toml",
            Self::Story => "story",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Layers => Self::Toml,
            Self::Toml => Self::Story,
            Self::Story => Self::Layers,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Focus {
    #[default]
    Path,
    Form,
}

/// The tab.
pub(crate) struct ModelTab {
    entries: Vec<Entry>,
    cursor: usize,
    focus: Focus,
    view: View,
    scroll: usize,
    form: Form,
    editing: Option<Editing>,
    /// Why the last typed value was refused.
    refused: String,
    /// Sets that can be loaded now.
    sets: Vec<String>,
    /// The set somebody chose, for all presets.
    chosen_set: Option<String>,
    /// What of the shown recipe's network can be frozen.
    stages: Vec<String>,
    /// What is known of data sets, by their names; nothing yet of one that was asked about, or why it cannot be read.
    infos: HashMap<String, Option<Result<DatasetInfo, String>>>,
    /// Of the shown recipe.
    summary: Result<Summary, String>,
    path: Path,
    view_areas: Vec<(Rect, View)>,
    /// What `model.pretrained` the card is of or was asked for, and the card.
    card: Option<(String, Card)>,
}

impl Default for ModelTab {
    fn default() -> Self {
        Self::new()
    }
}

impl ModelTab {
    #[must_use]
    pub(crate) fn new() -> Self {
        let entries: Vec<Entry> = presets::all()
            .iter()
            .filter_map(|preset| {
                let profile = preset.profile().ok()?;
                Some(Entry {
                    name: preset.name.into(),
                    preset: Some(preset),
                    original: profile.clone(),
                    profile,
                    marks: Marks::new(),
                })
            })
            .collect();
        let start = entries.iter().position(|e| e.name == "lenet5");
        let mut tab = Self {
            cursor: start.unwrap_or(0),
            entries,
            focus: Focus::Path,
            view: View::Layers,
            scroll: 0,
            form: Form::default(),
            editing: None,
            refused: String::new(),
            sets: vec![catalog::BUILT_IN.into()],
            chosen_set: None,
            stages: Vec::new(),
            infos: HashMap::new(),
            summary: Err(String::new()),
            path: Path::default(),
            view_areas: Vec::new(),
            card: None,
        };
        tab.place_set();
        tab
    }

    /// The user's own profiles, by their names, in place of those before. What was changed here of one whose file is as
    /// it was stays changed.
    pub(crate) fn set_own(&mut self, profiles: Vec<(String, Profile)>) {
        let is_own = |e: &Entry| e.preset.is_none();
        let before = self.entries.iter().filter(|e| is_own(e));
        let before = before.map(|e| (&e.name, &e.original));
        if before.eq(profiles.iter().map(|(name, profile)| (name, profile))) {
            return;
        }
        let shown = self.entry().map(|e| (e.name.clone(), is_own(e)));
        let mut before: Vec<Entry> = self.entries.extract_if(.., |e| is_own(e)).collect();
        for (name, profile) in profiles {
            let same = |e: &Entry| e.name == name && e.original == profile;
            let entry = match before.iter().position(same) {
                Some(at) => before.swap_remove(at),
                None => Entry {
                    name,
                    preset: None,
                    original: profile.clone(),
                    profile,
                    marks: Marks::new(),
                },
            };
            self.entries.push(entry);
        }
        let is_shown = |e: &Entry| {
            shown
                .as_ref()
                .is_some_and(|s| (&s.0, s.1) == (&e.name, is_own(e)))
        };
        let last = self.entries.len().saturating_sub(1);
        let at = self.entries.iter().position(is_shown);
        self.cursor = at.unwrap_or(self.cursor.min(last));
        self.place_set();
    }

    /// Replaces the shown recipe; what does not fit its data or network is said in place of the layers.
    pub(crate) fn set_recipe(&mut self, mut recipe: Profile) {
        let Some(entry) = self.entries.get_mut(self.cursor) else {
            return;
        };
        if recipe.data.name != entry.profile.data.name {
            self.chosen_set = Some(recipe.data.name.clone());
            let name = std::mem::replace(&mut recipe.data.name, entry.profile.data.name.clone());
            recipe.data.use_set(&name);
        }
        entry.profile = recipe;
        self.refused.clear();
        self.place_set();
    }

    /// What the shown recipe lays under images that are not opaque.
    pub(crate) fn background(&self) -> Background {
        self.entry()
            .map_or_else(Background::default, |entry| entry.profile.data.background)
    }

    /// Takes the data set called so for every recipe, where it can be loaded.
    pub(crate) fn choose_set(&mut self, name: String) {
        self.chosen_set = Some(name);
        self.place_set();
    }

    /// The data sets that can be loaded now. Where a recipe's own is not among them it takes the built-in one.
    pub(crate) fn set_sets(&mut self, sets: Vec<String>) {
        self.sets = sets;
        if !self.sets.iter().any(|s| s == catalog::BUILT_IN) {
            self.sets.push(catalog::BUILT_IN.into());
        }
        self.place_set();
    }

    /// The data set of the shown recipe, where nothing is known of it; told once.
    pub(crate) fn asks_about_set(&mut self) -> Option<String> {
        let name = &self.entry()?.profile.data.name;
        if self.infos.contains_key(name) || !self.is_unread(name) {
            return None;
        }
        let name = name.clone();
        self.infos.insert(name.clone(), None);
        Some(name)
    }

    /// What is known of a data set, for the shapes of the layers; or why it cannot be read.
    pub(crate) fn set_info(&mut self, name: String, info: Result<DatasetInfo, String>) {
        self.infos.insert(name, Some(info));
        self.refresh();
    }

    /// Whether a data set's shape is not known yet.
    fn is_unread(&self, name: &str) -> bool {
        let is_answered = matches!(self.infos.get(name), Some(Some(_)));
        !is_answered && DatasetInfo::by_name(name).is_none()
    }

    fn info(&self, name: &str) -> Result<DatasetInfo> {
        let unknown = |problem: &str| {
            Error::input(
                format!("data set {name}"),
                problem,
                "choose another in the form",
            )
        };
        match self.infos.get(name) {
            Some(Some(Ok(info))) => Ok(info.clone()),
            Some(Some(Err(problem))) => Err(unknown(problem)),
            _ => DatasetInfo::by_name(name).ok_or_else(|| unknown("is being read")),
        }
    }

    /// The model whose weights' card is wanted, told once.
    pub(crate) fn asks_about_weights(&mut self) -> Option<Model> {
        let model = &self.entry()?.profile.model;
        let asked = self.card.as_ref().map(|(of, _)| of.as_str());
        if model.pretrained.is_empty() || asked == Some(&model.pretrained) {
            return None;
        }
        let model = model.clone();
        self.card = Some((model.pretrained.clone(), Card::new()));
        Some(model)
    }

    /// What is known of the weights that were asked about.
    pub(crate) fn set_card(&mut self, pretrained: String, card: Card) {
        if self.card.as_ref().is_some_and(|(of, _)| *of == pretrained) {
            self.card = Some((pretrained, card));
        }
    }

    /// Asks again: something may have changed.
    pub(crate) fn forget_card(&mut self) {
        self.card = None;
    }

    /// The card of the shown recipe's weights, as far as it has come.
    fn card(&self) -> &[(&'static str, String)] {
        let of = self.entry().map(|entry| &entry.profile.model.pretrained);
        let card = self
            .card
            .as_ref()
            .filter(|(pretrained, _)| Some(pretrained) == of);
        card.map_or(&[], |(_, card)| card)
    }

    /// Gives every recipe the chosen set, else its own where it is there, else the built-in one.
    fn place_set(&mut self) {
        for entry in &mut self.entries {
            let wanted = self
                .chosen_set
                .as_ref()
                .unwrap_or(&entry.original.data.name);
            // For Fashion-MNIST its built-in subset stands in; another published set waits until it is downloaded.
            let waits = wanted != catalog::DEFAULT && DatasetInfo::by_name(wanted).is_some();
            let name = if waits || self.sets.contains(wanted) {
                wanted.as_str()
            } else {
                catalog::BUILT_IN
            };
            let name = name.to_string();
            entry.place(&name);
        }
        self.refresh();
    }

    fn refresh(&mut self) {
        let checked = self
            .entries
            .get(self.cursor)
            .map(|e| self.check(&e.profile).map_err(|error| error.to_string()));
        self.summary = checked.unwrap_or_else(|| Err("there are no presets".into()));
        let Some(profile) = self.entry().map(|entry| entry.profile.clone()) else {
            return;
        };
        self.form.fields = Field::of(&profile);
        let architecture = self.architecture(&profile);
        self.stages = architecture.map_or_else(|_| Vec::new(), |a| freeze::choices(&a));
    }

    /// Checks a recipe as far as it can be without its data.
    fn check(&self, profile: &Profile) -> Result<Summary> {
        profile.validate()?;
        let info = self.info(&profile.data.name)?;
        #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
        if profile.data.validation >= 1.0 && profile.data.validation >= info.train as f64 {
            let images = text::count(info.train, "training image");
            return Err(Error::input(
                "data.validation",
                format!("leaves none of the {images} of {}", info.name),
                "give a fraction such as 0.1",
            ));
        }
        let architecture = self.architecture(profile)?;
        summarise(&architecture).with_frozen(&architecture, &profile.model.freeze)
    }

    fn architecture(&self, profile: &Profile) -> Result<Architecture> {
        let info = self.info(&profile.data.name)?;
        let input = profile.data.input(info.shape());
        resolve(&profile.model, input, info.classes)
    }

    fn entry(&self) -> Option<&Entry> {
        self.entries.get(self.cursor)
    }

    /// Tries a value of the field under the cursor; a refused one changes nothing.
    fn try_value(&mut self, value: &str) -> bool {
        self.try_change(|field, recipe| field.set(recipe, value))
    }

    /// Tries a change of the field under the cursor; a refused one changes nothing.
    fn try_change(&mut self, change: impl FnOnce(Field, &mut Profile) -> Result<()>) -> bool {
        let field = self.form.field();
        let Some(entry) = self.entries.get(self.cursor) else {
            return false;
        };
        let mut candidate = entry.profile.clone();
        let result = change(field, &mut candidate).and_then(|()| {
            if self.is_unread(&candidate.data.name) {
                candidate.validate()
            } else {
                self.check(&candidate).map(drop)
            }
        });
        if let Err(error) = result {
            self.refused = error.to_string();
            return false;
        }
        self.refused.clear();
        if field == fields::DATASET {
            self.chosen_set = Some(candidate.data.name);
            self.place_set();
        } else {
            self.entries[self.cursor].profile = candidate;
            self.refresh();
        }
        true
    }
}

impl Tab for ModelTab {
    fn on_action(&mut self, action: Action, _: &Context) -> Effect {
        match self.focus {
            Focus::Path => self.on_path(action),
            Focus::Form => self.on_form(action),
        }
    }

    fn on_mouse(&mut self, mouse: Mouse, _: &Context) -> Effect {
        match mouse {
            Mouse::Click(at) => return self.on_click(at),
            Mouse::ScrollUp(at) if self.path.contains(at) => {
                self.select(self.cursor.saturating_sub(1));
            }
            Mouse::ScrollDown(at) if self.path.contains(at) => self.select(self.cursor + 1),
            Mouse::ScrollUp(_) => self.scroll = self.scroll.saturating_sub(1),
            Mouse::ScrollDown(_) => self.scroll = (self.scroll + 1).min(10_000),
        }
        Effect::None
    }

    fn takes_text(&self) -> bool {
        self.editing.is_some()
    }

    fn on_text(&mut self, key: KeyEvent) -> Effect {
        match self.editing.take() {
            None => {}
            Some(Editing::Text(mut input)) => match input.on_key(key) {
                Typed::Cancelled => self.refused.clear(),
                Typed::Accepted if self.try_value(&input.text()) => {}
                _ => self.editing = Some(Editing::Text(input)),
            },
            Some(Editing::Range(mut input)) => match input.on_key(key) {
                Typed::Cancelled => self.refused.clear(),
                Typed::Edited => {
                    self.refused.clear();
                    self.editing = Some(Editing::Range(input));
                }
                Typed::Accepted if self.try_range(&input.text()) => {}
                _ => self.editing = Some(Editing::Range(input)),
            },
            Some(Editing::Sweep(mut input)) => match input.on_key(key) {
                Typed::Cancelled => self.refused.clear(),
                Typed::Accepted => return self.start_sweep(input),
                Typed::Edited => {
                    self.refused.clear();
                    self.editing = Some(Editing::Sweep(input));
                }
                Typed::Ignored => self.editing = Some(Editing::Sweep(input)),
            },
            Some(Editing::Choice(before)) => match key.code {
                KeyCode::Esc => {
                    self.try_value(&before);
                }
                KeyCode::Enter => {}
                code => {
                    match code {
                        KeyCode::Left | KeyCode::Up | KeyCode::Char('h' | 'k') => self.cycle(false),
                        KeyCode::Right | KeyCode::Down | KeyCode::Char('l' | 'j' | ' ') => {
                            self.cycle(true);
                        }
                        _ => {}
                    }
                    self.editing = Some(Editing::Choice(before));
                }
            },
        }
        Effect::None
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        let hint = |keys, does| Hint { keys, does };
        match (&self.editing, self.focus) {
            (Some(Editing::Text(_)), _) => vec![hint("Enter", "set"), hint("Esc", "cancel")],
            (Some(Editing::Range(_)), _) => vec![hint("Enter", "search"), hint("Esc", "cancel")],
            (Some(Editing::Sweep(_)), _) => vec![hint("Enter", "start"), hint("Esc", "cancel")],
            (Some(Editing::Choice(_)), _) => vec![
                hint("← →", "choose"),
                hint("Enter", "set"),
                hint("Esc", "cancel"),
            ],
            (None, Focus::Path) => vec![
                hint("t", "train"),
                hint("e", "edit recipe"),
                hint("E", "in $EDITOR"),
                hint("v", "view"),
                hint("PgDn", "scroll"),
            ],
            (None, Focus::Form) if self.is_searched() => vec![
                hint("S", "start sweep"),
                hint("*", "unmark"),
                hint("Enter", "edit"),
                hint("t", "train one"),
                hint("Esc", "presets"),
            ],
            (None, Focus::Form) => vec![
                hint("t", "train"),
                hint("Enter", "edit"),
                hint("*", "search"),
                hint("E", "in $EDITOR"),
                hint("d", "reset field"),
                hint("Esc", "presets"),
            ],
        }
    }

    fn render(&mut self, frame: &mut Frame, area: Rect, cx: &Context) {
        let theme = &cx.theme;
        let mut canvas = Canvas::new(frame.buffer_mut(), area);
        let (width, height) = (canvas.width(), canvas.height());
        let form_rows = Form::height(width.saturating_sub(1));
        let form_rows = if form_rows + 8 > height {
            form_rows.min(height.saturating_sub(8))
        } else {
            form_rows
        };
        // Rule and message line around the form.
        let frame_rows = if height >= 12 { 2 } else { 1 };
        let top = height.saturating_sub(form_rows + frame_rows);
        let list = if width >= 110 { 28 } else { 24 }.min(width / 2);
        let focused = self.focus == Focus::Path;
        let mut left = canvas.part(1, 0, list.saturating_sub(2), top);
        self.path
            .draw(&mut left, &self.entries, self.cursor, focused, theme);
        canvas.column(list, 0, top, theme.dim());
        let mut right = canvas.part(list + 2, 0, width.saturating_sub(list + 3), top);
        self.draw_right(&mut right, theme);
        if form_rows > 0 {
            canvas.part(0, top, width, 1).rule(0, theme.dim());
            canvas.dot(list, top, "┴", theme.dim());
            canvas.put(2, top, Line::styled(" recipe ", theme.dim()));
            let mut part = canvas.part(0, top + 1, width, form_rows);
            if let Some(entry) = self.entries.get(self.cursor) {
                let editing = self.editing.as_ref();
                let focused = self.focus == Focus::Form;
                self.form.draw(&mut part, entry, editing, focused, theme);
            }
        }
        self.draw_refused(&mut canvas, top, theme);
        if frame_rows == 2 {
            self.draw_message(&mut canvas, height - 1, theme);
        }
        if theme.ascii {
            canvas.make_ascii();
        }
    }
}

#[cfg(test)]
mod tests;
