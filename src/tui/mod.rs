//! The screens: one app, a tab each, drawn from data sets, profiles and the event log. Never trains and never names `train`.

pub mod action;
pub mod app;
pub mod config;
pub mod keymap;
pub mod message;
pub mod tab;
pub mod tabs;
pub mod terminal;
pub mod theme;
pub mod widgets;
