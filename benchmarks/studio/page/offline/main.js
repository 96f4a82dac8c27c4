// The page as one file: the model is in it, and nothing is asked of any server.

import { Studio } from "../app.js";
import { Local } from "./local.js";

const data = JSON.parse(document.getElementById("data").textContent);
window.studio = new Studio(new Local(data));
