//! What keys and clicks do on the Model tab.

use ratatui::layout::Position;

use super::fields::{self, SHOWN};
use super::form::Editing;
use super::{Entry, Focus, ModelTab, search};
use crate::error::{Error, Result};
use crate::tui::action::Action;
use crate::tui::request::{Request, Start};
use crate::tui::tab::Effect;
use crate::tui::widgets::input::Input;

impl ModelTab {
    pub(super) fn select(&mut self, index: usize) {
        self.cursor = index.min(self.entries.len().saturating_sub(1));
        self.scroll = 0;
        self.refused.clear();
        self.refresh();
    }

    fn edit(&mut self) -> Effect {
        let Some(entry) = self.entry() else {
            return Effect::None;
        };
        let field = self.form.field();
        if !field.applies(&entry.profile) {
            return Effect::Say(format!("{} is not used by this recipe", field.name));
        }
        let value = field.get(&entry.profile);
        let range = entry.marks.get(field.key).map(|range| Input::new(range));
        self.refused.clear();
        if let Some(range) = range {
            self.editing = Some(Editing::Range(range));
            return Effect::None;
        }
        self.editing = Some(match field.choices(&self.sets, &self.stages) {
            Some(_) => Editing::Choice(value),
            // Nothing is typed behind the word for nothing.
            None if value == "none" => Editing::Text(Input::new("")),
            None => Editing::Text(Input::new(&value)),
        });
        Effect::None
    }

    /// Marks the field as searched, or no longer.
    fn vary(&mut self) -> Effect {
        let field = self.form.field();
        let Some(entry) = self.entries.get_mut(self.cursor) else {
            return Effect::None;
        };
        self.refused.clear();
        if entry.marks.remove(field.key).is_some() {
            return Effect::None;
        }
        if !field.applies(&entry.profile) {
            return Effect::Say(format!("{} is not used by this recipe", field.name));
        }
        let proposed = search::proposal(field, &entry.profile);
        self.editing = Some(Editing::Range(Input::new(&proposed)));
        Effect::None
    }

    /// Whether a sweep would search anything of the shown recipe.
    pub(super) fn is_searched(&self) -> bool {
        self.entry().is_some_and(|entry| !entry.marks.is_empty())
    }

    /// Tries what is to be searched of the field under the cursor; a refused range changes nothing.
    pub(super) fn try_range(&mut self, range: &str) -> bool {
        let field = self.form.field();
        let Some(entry) = self.entries.get_mut(self.cursor) else {
            return false;
        };
        let mut marks = entry.marks.clone();
        marks.insert(field.key, range.trim().to_owned());
        // Whether anything is held out is asked when it begins.
        let mut held_out = entry.profile.clone();
        if held_out.data.validation == 0.0 {
            held_out.data.validation = 0.1;
        }
        match search::sweep(&held_out, &marks, search::ASKED) {
            Ok(_) => {
                entry.marks = marks;
                self.refused.clear();
                true
            }
            Err(error) => {
                self.refused = error.to_string();
                false
            }
        }
    }

    /// Asks for the settings of a sweep.
    fn ask_for_sweep(&mut self) -> Effect {
        self.focus = Focus::Form;
        self.refused.clear();
        let Some(entry) = self.entry() else {
            return Effect::None;
        };
        if entry.marks.is_empty() {
            return Effect::Say("mark what is to be searched: * on a field of the recipe".into());
        }
        if entry.profile.data.validation == 0.0 {
            self.form.go_to(fields::VALIDATION);
            let words = "A sweep needs validation images: set validation, to 0.1 or 5000";
            return Effect::Say(words.into());
        }
        self.editing = Some(Editing::Sweep(Input::new(search::ASKED)));
        Effect::None
    }

    pub(super) fn start_sweep(&mut self, settings: Input) -> Effect {
        let Some(entry) = self.entry() else {
            return Effect::None;
        };
        let checked = self.check(&entry.profile);
        let sweep =
            checked.and_then(|_| search::sweep(&entry.profile, &entry.marks, &settings.text()));
        match sweep {
            Ok(sweep) => Request::StartSweep(Box::new(sweep)).into(),
            Err(error) => {
                self.refused = error.to_string();
                self.editing = Some(Editing::Sweep(settings));
                Effect::None
            }
        }
    }

    pub(super) fn cycle(&mut self, forward: bool) {
        let Some(entry) = self.entry() else { return };
        let field = self.form.field();
        let choices = field.choices(&self.sets, &self.stages).unwrap_or_default();
        if choices.is_empty() {
            return;
        }
        let now = field.get(&entry.profile);
        let at = choices.iter().position(|c| *c == now).unwrap_or(0);
        let by = if forward { 1 } else { choices.len() - 1 };
        self.try_value(&choices[(at + by) % choices.len()].clone());
    }

    /// Gives the field its preset's value back.
    fn reset_field(&mut self) {
        let Some(entry) = self.entry() else { return };
        let original = entry.original.clone();
        self.try_change(|field, recipe| {
            field.copy(&original, recipe);
            Ok(())
        });
    }

    fn train(&self) -> Effect {
        let Some(entry) = self.entry() else {
            return Effect::None;
        };
        match self.start_of(entry) {
            Ok(start) => Request::Start(start).into(),
            Err(error) => Effect::Say(error.to_string()),
        }
    }

    fn start_of(&self, entry: &Entry) -> Result<Start> {
        self.check(&entry.profile)?;
        Ok(Start::New(Box::new(entry.profile.recipe())))
    }

    /// The start of the shown recipe on this data set, which every recipe takes from now on.
    ///
    /// # Errors
    /// `Input` naming what does not fit.
    pub(crate) fn start_on(&mut self, set: &str) -> Result<Start> {
        self.choose_set(set.to_owned());
        let remedy = "choose another data set or recipe";
        match self.entry() {
            Some(entry) if entry.profile.data.name == set => self.start_of(entry),
            _ => Err(Error::input(
                format!("data set {set}"),
                "cannot be trained on now",
                remedy,
            )),
        }
    }

    pub(super) fn on_path(&mut self, action: Action) -> Effect {
        match action {
            Action::Up => self.select(self.cursor.saturating_sub(1)),
            Action::Down => self.select(self.cursor + 1),
            Action::Home => self.select(0),
            Action::End => self.select(usize::MAX),
            Action::Right | Action::Open | Action::Edit => self.focus = Focus::Form,
            Action::Vary => {
                self.focus = Focus::Form;
                return Effect::Say("* marks the field under the cursor as searched".into());
            }
            _ => return self.on_both(action),
        }
        Effect::None
    }

    pub(super) fn on_form(&mut self, action: Action) -> Effect {
        match action {
            Action::Up => {
                self.form.step(-1, 0);
            }
            Action::Down => {
                self.form.step(1, 0);
            }
            Action::Right => {
                self.form.step(0, 1);
            }
            Action::Left => {
                if !self.form.step(0, -1) {
                    self.focus = Focus::Path;
                }
            }
            Action::Home => self.form.cursor = 0,
            Action::End => self.form.cursor = SHOWN - 1,
            Action::Back => {
                self.focus = Focus::Path;
                self.refused.clear();
            }
            Action::Open | Action::Edit => return self.edit(),
            Action::Vary => return self.vary(),
            Action::Delete => self.reset_field(),
            _ => return self.on_both(action),
        }
        Effect::None
    }

    fn on_both(&mut self, action: Action) -> Effect {
        match action {
            Action::CycleView => {
                self.view = self.view.next();
                self.scroll = 0;
            }
            Action::PageUp => self.scroll = self.scroll.saturating_sub(5),
            Action::PageDown => self.scroll = (self.scroll + 5).min(10_000),
            Action::Train => return self.train(),
            Action::Sweep => return self.ask_for_sweep(),
            Action::EditText => {
                let recipe = self.entry().map(|entry| Box::new(entry.profile.recipe()));
                return recipe.map_or(Effect::None, |r| Request::EditText(r).into());
            }
            _ => return Effect::Ignored,
        }
        Effect::None
    }

    pub(super) fn on_click(&mut self, at: Position) -> Effect {
        self.editing = None;
        if let Some((_, view)) = self.view_areas.iter().find(|(area, _)| area.contains(at)) {
            self.view = *view;
            self.scroll = 0;
        } else if let Some(index) = self.path.at(at, &self.entries) {
            self.focus = Focus::Path;
            self.select(index);
        } else if let Some(index) = self.form.at(at) {
            let again = self.focus == Focus::Form && self.form.cursor == index;
            self.focus = Focus::Form;
            self.form.cursor = index;
            self.refused.clear();
            if again {
                return self.edit();
            }
        }
        Effect::None
    }
}
