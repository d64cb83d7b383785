-- Drives the network that Spiker+ generates. in.txt: a line of inputs per step, image after image; out.txt: a line
-- per sample pulse and one when the network is ready again: cycles since start, then the outputs, highest first.
library ieee;
use ieee.std_logic_1164.all;
use std.textio.all;
use ieee.std_logic_textio.all;

entity bench is
    generic (steps: integer; inputs: integer := 784; outputs: integer := 10);
end entity;

architecture simulation of bench is
    signal clk, rst_n, start: std_logic := '0';
    signal ready, sample: std_logic;
    signal in_spikes: std_logic_vector(inputs - 1 downto 0) := (others => '0');
    signal out_spikes: std_logic_vector(outputs - 1 downto 0);
    signal finished: boolean := false;
    signal cycles: integer := 0;
begin
    dut: entity work.network port map (clk, rst_n, start, '1', ready, sample, in_spikes, out_spikes);

    clk <= not clk after 5 ns when not finished else '0';

    count: process (clk)
    begin
        if rising_edge(clk) then
            cycles <= cycles + 1;
        end if;
    end process;

    drive: process
        file images: text open read_mode is "in.txt";
        file found: text open write_mode is "out.txt";
        variable given: line;
        variable spikes: std_logic_vector(inputs - 1 downto 0);
        variable began, step: integer;

        procedure note is
            variable said: line;
        begin
            write(said, cycles - began);
            write(said, string'(" "));
            write(said, out_spikes);
            writeline(found, said);
        end procedure;
    begin
        wait for 100 ns;
        wait until falling_edge(clk);
        rst_n <= '1';
        while not endfile(images) loop
            while ready /= '1' loop
                wait until falling_edge(clk);
            end loop;
            start <= '1';
            began := cycles;
            step := 0;
            wait until falling_edge(clk);
            start <= '0';
            while ready /= '1' loop
                if sample = '1' then
                    note;
                    spikes := (others => '0');
                    if step < steps then
                        readline(images, given);
                        read(given, spikes);
                    end if;
                    in_spikes <= spikes;
                    step := step + 1;
                end if;
                wait until falling_edge(clk);
            end loop;
            note;
        end loop;
        finished <= true;
        wait;
    end process;
end architecture;
