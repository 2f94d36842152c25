//! A definition that can be started beside the domain itself, and reaches nothing outside.
//!
//! Only what is known to stay inside is kept: a device of a kind that is not on the list is left
//! out, whatever it is. Lists: libvirt's "Domain XML format" (`formatdomain.html`).

use std::path::PathBuf;

use super::inside::{INSIDE, MACHINE, is_flash, must_stay_inside};
use super::stage::Stage;
use super::{AGENT, read, target, text_of, unfit};
use crate::Error;
use crate::domain::Domain;
use crate::xml_text::{Edits, Element};

/// A definition for a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The definition.
    pub xml: String,
    /// The files that its serial ports and consoles write to.
    pub consoles: Vec<PathBuf>,
    /// Whether the guest's agent can be reached.
    pub agent: bool,
    /// What was left out.
    pub left_out: Vec<Part>,
}

/// A device that does not take part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A disk that is not part of the copy, by its target.
    Disk(String),
    /// A medium in a drive, by the drive's target.
    Medium(String),
    /// Any other device, by the name of its element.
    Device(String),
}

/// Makes of the definition `xml` one for a rehearsal on `stage`.
///
/// # Errors
/// [`Error::Xml`] where it is no definition, [`Error::Unfit`] where it lacks a disk of the stage,
/// or the result would name a file outside of it.
pub fn rehearsal(xml: &str, stage: &Stage) -> Result<Rehearsal, Error> {
    let (root, domain) = read(xml)?;
    let mut change =
        Change { xml, domain: &domain, stage, edits: Edits::default(), found: found() };
    change.machine(&root)?;
    if let Some(devices) = root.child("devices") {
        for device in &devices.children {
            change.device(device)?;
        }
    }
    let Change { edits, mut found, .. } = change;
    found.xml = edits.apply(xml).ok_or_else(|| unfit(&domain, "its definition is too odd"))?;
    found.left_out.sort();
    found.left_out.dedup();
    must_stay_inside(&domain, &found.xml, stage)?;
    Ok(found)
}

fn found() -> Rehearsal {
    Rehearsal { xml: String::new(), consoles: Vec::new(), agent: false, left_out: Vec::new() }
}

/// A definition on its way to one for a rehearsal.
struct Change<'a> {
    xml: &'a str,
    domain: &'a Domain,
    stage: &'a Stage,
    edits: Edits,
    found: Rehearsal,
}

impl Change<'_> {
    fn machine(&mut self, root: &Element) -> Result<(), Error> {
        for element in &root.children {
            match element.name.as_str() {
                "name" => self.edits.put(&element.range, tagged("name", &self.stage.name)),
                "uuid" => {
                    let reboot = if self.stage.may_reboot { "restart" } else { "destroy" };
                    let text = [
                        tagged("uuid", &self.stage.uuid),
                        tagged("description", &self.stage.description),
                        tagged("on_poweroff", "destroy"),
                        tagged("on_reboot", reboot),
                        tagged("on_crash", "destroy"),
                    ];
                    self.edits.put(&element.range, text.concat());
                }
                "os" => self.nvram(element)?,
                "sysinfo" => self.serial_number(element),
                name if MACHINE.contains(&name) => {}
                _ => self.edits.take_out(element),
            }
        }
        Ok(())
    }

    /// Where the domain starts with UEFI, its variables lie on the stage; libvirt makes them from
    /// the template where they are not there. Without a path it would choose one that stays.
    fn nvram(&mut self, os: &Element) -> Result<(), Error> {
        let path = text_of(self.domain, &self.stage.nvram)?;
        match os.child("nvram") {
            Some(nvram) => {
                let template = nvram.attribute("template");
                let template = template.map(|file| format!(" template='{}'", escaped(file)));
                let format = nvram.attribute("format");
                let format = format.map(|format| format!(" format='{}'", escaped(format)));
                let attributes = template.into_iter().chain(format).collect::<String>();
                let text = format!("<nvram{attributes}>{}</nvram>", escaped(path));
                self.edits.put(&nvram.range, text);
            }
            None => {
                let is_efi = os.attribute("firmware") == Some("efi");
                if is_efi || os.child("loader").is_some_and(is_flash) {
                    self.edits.put(&(os.inner.end..os.inner.end), tagged("nvram", path));
                }
            }
        }
        Ok(())
    }

    /// libvirt asks that the system's UUID is the domain's.
    fn serial_number(&mut self, sysinfo: &Element) {
        let entries = sysinfo.all("system").flat_map(|system| system.all("entry"));
        for entry in entries.filter(|entry| entry.attribute("name") == Some("uuid")) {
            self.edits.put_value(&entry.inner, &self.stage.uuid);
        }
    }

    fn device(&mut self, device: &Element) -> Result<(), Error> {
        match device.name.as_str() {
            "disk" => return self.disk(device),
            "serial" => return self.console(device),
            "console" if has_own_port(device) => return self.console(device),
            // The other name of the first serial port: libvirt adds it again.
            "console" => self.edits.take_out(device),
            "channel"
                if device.child("target").and_then(|t| t.attribute("name")) == Some(AGENT) =>
            {
                self.found.agent = true;
                let text = format!("<channel type='unix'>{}</channel>", self.kept(device));
                self.edits.put(&device.range, text);
            }
            "input" if device.attribute("type") != Some("passthrough") => {
                match device.attribute("type") {
                    Some("mouse" | "keyboard" | "tablet") => {}
                    _ => self.leave_out(device),
                }
            }
            "rng" => match device.child("backend").and_then(|backend| backend.attribute("model")) {
                Some("builtin") => {}
                Some("random") => self.random(device),
                _ => self.leave_out(device),
            },
            "video" => self.video(device),
            name if INSIDE.contains(&name) => {}
            // libvirt knows where QEMU is here, and a definition could name any program; and nobody
            // looks or listens.
            "emulator" | "graphics" | "sound" | "audio" => self.edits.take_out(device),
            _ => self.leave_out(device),
        }
        Ok(())
    }

    fn leave_out(&mut self, device: &Element) {
        self.found.left_out.push(Part::Device(device.name.clone()));
        self.edits.take_out(device);
    }

    /// A screen that nobody looks at needs no acceleration by the host, which needs a viewer.
    fn video(&mut self, video: &Element) {
        if video.child("driver").is_some_and(|driver| driver.attribute("name").is_some()) {
            return self.leave_out(video);
        }
        for part in video.all("model").flat_map(|model| model.all("acceleration")) {
            self.edits.take_out(part);
        }
    }

    /// Random numbers come from the host's `/dev/urandom`, whatever the source was.
    fn random(&mut self, rng: &Element) {
        if let Some(backend) = rng.child("backend") {
            self.edits.put(&backend.range, "<backend model='random'>/dev/urandom</backend>");
        }
    }

    /// A disk of the copy gets its throw-away image, a drive loses its medium, every other disk is
    /// left out.
    fn disk(&mut self, disk: &Element) -> Result<(), Error> {
        let target = target(disk).unwrap_or_default();
        let image = self.stage.disks.iter().find(|(on_stage, _)| on_stage == target);
        let device = disk.attribute("device").unwrap_or("disk");
        let (source, driver) = match (image, device) {
            (Some((_, image)), _) => {
                let image = escaped(text_of(self.domain, image)?);
                // Nothing that is written has to last; nothing is read past the host's cache.
                (
                    format!("<source file='{image}'/>"),
                    "<driver name='qemu' type='qcow2' cache='unsafe'/>",
                )
            }
            (None, "cdrom" | "floppy") => {
                if disk.child("source").is_some() {
                    self.found.left_out.push(Part::Medium(target.to_owned()));
                }
                (String::new(), "<driver name='qemu' type='raw'/>")
            }
            (None, _) => {
                self.found.left_out.push(Part::Disk(target.to_owned()));
                self.edits.take_out(disk);
                return Ok(());
            }
        };
        let kept = ["target", "address", "boot", "alias", "serial", "wwn", "readonly", "blockio"];
        let kept = self.text_of_children(disk, &kept);
        let text =
            format!("<disk type='file' device='{}'>{driver}{source}{kept}</disk>", escaped(device));
        self.edits.put(&disk.range, text);
        Ok(())
    }

    /// What a serial port says goes to a file.
    fn console(&mut self, device: &Element) -> Result<(), Error> {
        let mut file = self.stage.console.clone().into_os_string();
        file.push(format!("-{}", self.found.consoles.len()));
        let file = PathBuf::from(file);
        let path = escaped(text_of(self.domain, &file)?);
        let (name, kept) = (&device.name, self.kept(device));
        let text = format!("<{name} type='file'><source path='{path}'/>{kept}</{name}>");
        self.edits.put(&device.range, text);
        self.found.consoles.push(file);
        Ok(())
    }

    /// What a character device is to the guest.
    fn kept(&self, device: &Element) -> String {
        self.text_of_children(device, &["target", "address", "alias"])
    }

    fn text_of_children(&self, element: &Element, names: &[&str]) -> String {
        let kept = element.children.iter().filter(|child| names.contains(&child.name.as_str()));
        // The state of a target is of the domain as it ran.
        kept.filter_map(|child| self.xml.get(child.range.clone())).collect()
    }
}

/// A console that is not the other name of a serial port.
fn has_own_port(console: &Element) -> bool {
    let kind = console.child("target").and_then(|target| target.attribute("type"));
    kind.is_some_and(|kind| kind != "serial")
}

fn tagged(name: &str, value: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(value))
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const XML: &str = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name>
  <uuid>80b7b426-a274-4787-b2d1-89bce6561bcf</uuid>
  <title>t</title><description>mine</description>
  <metadata><x/></metadata>
  <memory unit='MiB'>128</memory>
  <memoryBacking><hugepages/></memoryBacking>
  <cputune><vcpupin vcpu='0' cpuset='7'/></cputune>
  <sysinfo type='smbios'><system><entry name='uuid'>80b7b426</entry></system></sysinfo>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS.fd'>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram>
  </os>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none' io='native' iothread='1'/>
      <source file='/vm/web.img'/>
      <target dev='vda' bus='virtio'/>
      <shareable/>
      <serial>S1</serial>
    </disk>
    <disk type='block' device='lun'><source dev='/dev/sdb'/><target dev='sdb' bus='scsi'/></disk>
    <disk type='file' device='cdrom'>
      <source file='/iso/x.iso'/><target dev='hda' bus='ide'/><readonly/>
    </disk>
    <controller type='usb' index='0'/>
    <interface type='bridge'><source bridge='br0'/></interface>
    <interface type='direct'><source dev='eth0'/></interface>
    <hostdev mode='subsystem' type='pci'><source/></hostdev>
    <filesystem type='mount'><source dir='/srv'/><target dir='srv'/></filesystem>
    <serial type='tcp'><source mode='connect' host='10.0.0.1' service='23'/><target port='0'/></serial>
    <console type='tcp'><source mode='connect' host='10.0.0.1'/><target type='serial' port='0'/></console>
    <console type='pty'><target type='virtio' port='1'/></console>
    <channel type='unix'>
      <source mode='bind' path='/var/lib/libvirt/qemu/f16x86_64.agent'/>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
    <input type='tablet' bus='usb'/>
    <input type='passthrough' bus='virtio'><source evdev='/dev/input/event1'/></input>
    <graphics type='vnc' port='-1' listen='0.0.0.0'/>
    <video><model type='virtio'><acceleration accel3d='yes'/></model></video>
    <rng model='virtio'><backend model='egd' type='tcp'><source host='h'/></backend></rng>
    <rng model='virtio'><backend model='random'>/dev/hwrng</backend></rng>
    <tpm model='tpm-crb'><backend type='emulator'/></tpm>
    <vsock model='virtio'><cid auto='yes'/></vsock>
    <something-new-in-libvirt-99/>
  </devices>
  <seclabel type='none'/>
  <qemu:commandline><qemu:arg value='-netdev'/></qemu:commandline>
</domain>";

    fn stage() -> Stage {
        Stage {
            name: "georep-rehearse-web".into(),
            uuid: "11111111-2222-4333-8444-555555555555".into(),
            description: "a & b".into(),
            disks: vec![("vda".into(), "/work/vda.qcow2".into())],
            nvram: "/work/nvram".into(),
            console: "/work/console".into(),
            may_reboot: false,
        }
    }

    #[test]
    fn nothing_that_leads_outside_is_left() {
        let made = rehearsal(XML, &stage()).unwrap();
        for outside in [
            "interface",
            "hostdev",
            "filesystem",
            "tcp",
            "10.0.0.1",
            "spice",
            "evdev",
            "egd",
            "tpm",
            "vsock",
            "something-new",
            "/dev/sdb",
            "/iso/",
            "/vm/",
            "/var/lib/libvirt",
            "graphics",
            "commandline",
            "hugepages",
            "cpuset",
            "hwrng",
            "accel3d",
            "br0",
            "80b7b426",
            "metadata",
            "emulator",
            "seclabel",
            "shareable",
            "io='native'",
        ] {
            assert!(!made.xml.contains(outside), "`{outside}` is in {}", made.xml);
        }
    }

    #[test]
    fn what_the_guest_needs_is_as_it_was() {
        let made = rehearsal(XML, &stage()).unwrap();
        for kept in [
            "<memory unit='MiB'>128</memory>",
            "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>",
            "<target dev='vda' bus='virtio'/>",
            "<serial>S1</serial>",
            "<target dev='hda' bus='ide'/><readonly/>",
            "<controller type='usb' index='0'/>",
            "<input type='tablet' bus='usb'/>",
            "<entry name='uuid'>11111111-2222-4333-8444-555555555555</entry>",
            "<nvram template='/usr/share/OVMF/OVMF_VARS.fd'>/work/nvram</nvram>",
            "<source file='/work/vda.qcow2'/>",
            "<description>a &amp; b</description>",
            "<on_reboot>destroy</on_reboot>",
        ] {
            assert!(made.xml.contains(kept), "`{kept}` is not in {}", made.xml);
        }
        assert!(made.agent);
        assert_eq!(made.consoles, [Path::new("/work/console-0"), Path::new("/work/console-1")]);
        let devices = [
            "channel",
            "filesystem",
            "hostdev",
            "input",
            "interface",
            "rng",
            "something-new-in-libvirt-99",
            "tpm",
            "vsock",
        ];
        let devices = devices.map(|name| Part::Device(name.to_owned()));
        let parts = [vec![Part::Disk("sdb".into()), Part::Medium("hda".into())], devices.to_vec()];
        assert_eq!(made.left_out, parts.concat());
    }

    #[test]
    fn a_domain_with_uefi_gets_a_place_for_its_variables_in_every_form() {
        let with = |os: &str| {
            let from = XML.find("<os>").unwrap()..XML.find("</os>").unwrap() + "</os>".len();
            let mut xml = XML.to_owned();
            xml.replace_range(from, os);
            rehearsal(&xml, &stage()).unwrap().xml
        };
        for os in [
            "<os firmware='efi'><type>hvm</type></os>",
            "<os><loader readonly='yes' type='pflash'>/code</loader></os>",
            "<os><type>hvm</type><nvram/></os>",
        ] {
            assert!(with(os).contains("<nvram>/work/nvram</nvram>"), "{os}");
        }
        let qcow2 = "<os><nvram type='file' format='qcow2'><source file='/nv'/></nvram></os>";
        assert!(with(qcow2).contains("<nvram format='qcow2'>/work/nvram</nvram>"));
        assert!(!with("<os><type>hvm</type></os>").contains("nvram"));
    }

    #[test]
    fn what_would_be_on_no_throw_away_file_is_refused() {
        for xml in [
            XML.replace("readonly='yes' type='pflash'", "type='pflash'"),
            XML.replace("'vda'", "'vdq'"),
            XML[..900].to_owned(),
            String::new(),
        ] {
            assert!(rehearsal(&xml, &stage()).is_err());
        }
    }
}
