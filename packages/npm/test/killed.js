// A process that dies when it comes to the method of `OlmKeys` that KILLED_AT names.
import { OlmKeys } from "matrix-qr/olm-machine";

OlmKeys.prototype[process.env.KILLED_AT] = () => process.kill(process.pid, "SIGKILL");
