"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const number = (value, signed) => {
  const digits = Math.abs(value) >= 1000 ? 0 : 2;
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) ? "−" : signed && value > 0 ? "+" : "") + text;
};
const tone = (gain) => (gain === null || Math.abs(gain) < 0.005 ? "soft" : gain > 0 ? "good" : "bad");
