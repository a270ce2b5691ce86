package origin

import (
	"strings"

	"github.com/mileusna/useragent"
)

// maxUnknown is how much is shown of a User-Agent that nobody knows, in characters.
const maxUnknown = 60

// Browser is what people call a device: the browser and what it runs on, without versions, which change by themselves.
// system is empty where it is not known: then name is what the program calls itself, cut to 60 characters.
func Browser(device string) (name, system string) {
	agent := useragent.Parse(device)
	switch {
	case agent.Name == "" || agent.OS == "":
		if runes := []rune(device); len(runes) > maxUnknown {
			device = strings.TrimSpace(string(runes[:maxUnknown-1])) + "…"
		}
		return device, ""
	case agent.OS == useragent.IOS && agent.Device != "": // an iPad is not an iPhone to whoever has both
		return agent.Name, agent.Device
	}
	return agent.Name, agent.OS
}
