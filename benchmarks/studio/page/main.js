// The page of the studio's server.

import { Studio } from "./app.js";
import { Link } from "./link.js";

window.studio = new Studio(new Link(location.pathname));
